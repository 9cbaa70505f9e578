using System.CommandLine;
using System.Globalization;
using FineMixing.FineTuning;
using FineMixing.Torch.FineTuning;

namespace FineMixing.Cli.CommandLine;

/// <summary>The options of commands that train.</summary>
/// <param name="defaults">The values that hold where the user says nothing.</param>
/// <param name="distillation">The values that hold there when the method is distillation; null where it cannot be.</param>
internal sealed class TrainingOptions(FineTuningOptions defaults, FineTuningOptions? distillation = null)
{
    private readonly Option<int> _epochs = Numbers.Whole("--epochs", "Passes over the data." + Note(distillation?.Epochs), defaults.Epochs, 1, 10_000);
    private readonly Option<double> _learningRate = Numbers.Real("--learning-rate", "Peak learning rate of AdamW." + Note(distillation?.LearningRate), defaults.LearningRate, 0, 1, lowAllowed: false);
    private readonly Option<int> _batchSize = Numbers.Whole("--batch-size", "Samples per step." + Note(distillation?.BatchSize), defaults.BatchSize, 1, 1_000_000);
    private readonly Option<int> _maxLength = Numbers.Whole("--max-length", "The longest input in tokens; longer ones are cut.", defaults.MaxLength, 8, 1_000_000);
    private readonly Option<ulong> _seed = CommonOptions.Seed("everything random", "on processors of the same kind, with one thread as with two");
    private readonly Option<string> _device = CommonOptions.Device();
    private readonly Option<int> _threads = Numbers.Whole("--threads", "CPU threads; 0 for all.", defaults.Threads, 0, 1024);

    private static string Note(IFormattable? other) =>
        other is null ? "" : string.Create(CultureInfo.InvariantCulture, $" For distillation the default is {other}.");

    /// <summary>Where the state of a long training stays until the model is written: a folder beside it, so that the same command goes on after a stop.</summary>
    public static TrainingSnapshots Snapshots(string output) => new(Path.TrimEndingDirectorySeparator(Path.GetFullPath(output)) + ".training");

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

    /// <summary>Other defaults, changed only where the user named a value.</summary>
    public FineTuningOptions Override(ParseResult parsed, FineTuningOptions other)
    {
        bool Given(Option option) => parsed.GetResult(option) is { Implicit: false };
        return other with
        {
            Epochs = Given(_epochs) ? parsed.GetValue(_epochs) : other.Epochs,
            LearningRate = Given(_learningRate) ? parsed.GetValue(_learningRate) : other.LearningRate,
            BatchSize = Given(_batchSize) ? parsed.GetValue(_batchSize) : other.BatchSize,
        };
    }
}
