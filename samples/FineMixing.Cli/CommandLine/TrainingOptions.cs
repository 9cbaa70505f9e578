using System.CommandLine;
using FineMixing.FineTuning;

namespace FineMixing.Cli.CommandLine;

/// <summary>The options of commands that train.</summary>
/// <param name="defaults">The values that hold where the user says nothing.</param>
internal sealed class TrainingOptions(FineTuningOptions defaults)
{
    private readonly Option<int> _epochs = Numbers.Whole("--epochs", "Passes over the data.", defaults.Epochs, 1, 10_000);
    private readonly Option<double> _learningRate = Numbers.Real("--learning-rate", "Peak learning rate of AdamW.", defaults.LearningRate, 0, 1, lowAllowed: false);
    private readonly Option<int> _batchSize = Numbers.Whole("--batch-size", "Samples per step.", defaults.BatchSize, 1, 1_000_000);
    private readonly Option<int> _maxLength = Numbers.Whole("--max-length", "The longest input in tokens; longer ones are cut.", defaults.MaxLength, 8, 1_000_000);
    private readonly Option<ulong> _seed = CommonOptions.Seed("everything random");
    private readonly Option<string> _device = CommonOptions.Device();
    private readonly Option<int> _threads = Numbers.Whole("--threads", "CPU threads; 0 for all.", defaults.Threads, 0, 1024);

    public void AddTo(Command command)
    {
        foreach (var option in (Option[])[_epochs, _learningRate, _batchSize, _maxLength, _seed, _device, _threads])
            command.Options.Add(option);
    }

    public FineTuningOptions Read(ParseResult parsed) => defaults with
    {
        Epochs = parsed.GetValue(_epochs),
        LearningRate = parsed.GetValue(_learningRate),
        BatchSize = parsed.GetValue(_batchSize),
        MaxLength = parsed.GetValue(_maxLength),
        Seed = parsed.GetValue(_seed),
        Device = parsed.GetValue(_device)!,
        Threads = parsed.GetValue(_threads),
    };
}
