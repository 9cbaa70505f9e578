using System.CommandLine;
using System.Diagnostics;
using System.Globalization;
using FineMixing.FineTuning;
using FineMixing.Models;
using FineMixing.Torch.FineTuning;

namespace FineMixing.Tools.EmbeddedModel;

/// <summary><c>distill</c>: makes the small pre-trained model of the quick start from a larger one and unlabelled text.</summary>
internal static class DistillCommand
{
    public static Command Create()
    {
        var @base = new Option<string>("--base") { Description = "The pre-trained BERT to start from, a Hugging Face model folder.", Required = true };
        var texts = new Option<string[]>("--texts") { Description = "Data files whose texts are learned from; labels are not used.", Required = true, AllowMultipleArgumentsPerToken = true };
        var output = new Option<string>("--output") { Description = "The new model folder.", Required = true };
        var layers = new Option<int[]>("--layers") { Description = "The layers of the base that are kept, from 0.", AllowMultipleArgumentsPerToken = true, DefaultValueFactory = _ => [0, 2, 4] };
        var vocabulary = new Option<int>("--vocabulary") { Description = "Word pieces that are kept.", DefaultValueFactory = _ => 11_000 };
        var sentences = new Option<int>("--sentences") { Description = "The most sentences that are learned from, drawn by the seed.", DefaultValueFactory = _ => 40_000 };
        var epochs = new Option<int>("--epochs") { Description = "Passes over the sentences; 0 only drops layers and word pieces.", DefaultValueFactory = _ => 1 };
        var learningRate = new Option<double>("--learning-rate") { Description = "Peak learning rate.", DefaultValueFactory = _ => 4e-4 };
        var batchSize = new Option<int>("--batch-size") { Description = "Sentences per step.", DefaultValueFactory = _ => 32 };
        var threads = new Option<int>("--threads") { Description = "CPU threads; 0 takes all. The result's last bits depend on it.", DefaultValueFactory = _ => 1 };
        var seed = new Option<ulong>("--seed") { Description = "Decides the sentences and their order.", DefaultValueFactory = _ => 1 };
        var command = new Command("distill", "Makes a small pre-trained model: drops layers and word pieces, then learns the base's hidden states.")
        {
            @base, texts, output, layers, vocabulary, sentences, epochs, learningRate, batchSize, threads, seed,
        };
        command.SetAction(parsed =>
        {
            var options = new FineTuningOptions
            {
                LearningRate = parsed.GetValue(learningRate),
                Epochs = Math.Max(1, parsed.GetValue(epochs)),
                BatchSize = parsed.GetValue(batchSize),
                Seed = parsed.GetValue(seed),
                Threads = parsed.GetValue(threads),
                MaxLength = 64,
                // Rows of words that do not occur should stay as they were, and there is far more text than weights could learn by heart.
                WeightDecay = 0,
                Dropout = 0,
                WarmUp = 0.05,
            };
            Run(parsed.GetRequiredValue(@base), parsed.GetRequiredValue(texts), parsed.GetRequiredValue(output), parsed.GetRequiredValue(layers), parsed.GetValue(vocabulary), parsed.GetValue(sentences), parsed.GetValue(epochs) > 0, options);
        });
        return command;
    }

    private static void Run(string baseFolder, string[] files, string output, int[] layers, int vocabulary, int sentences, bool learn, FineTuningOptions options)
    {
        ModelFolder.RefuseExisting(output);
        var clock = Stopwatch.StartNew();
        var source = ModelFolder.Open(baseFolder);
        var text = UnlabelledText.Read(files, options.Seed);
        Say($"{text.Count} different sentences in {files.Length} files");

        using var folder = new TemporaryFolder();
        var teacher = VocabularyPruning.Prune(source, text, vocabulary, folder.Path);
        var student = LayerSelection.Keep(teacher, layers);
        Say($"{student.Config.VocabularySize} of {source.Config.VocabularySize} word pieces, {student.Config.Layers} of {source.Config.Layers} layers");
        if (learn)
        {
            var progress = new ConsoleProgress(clock);
            student = new EncoderDistillation().Distill(student, teacher, [.. text.Take(sentences)], options, progress).Model;
        }

        EncoderFolder.Write(student, output, folder.Path);
        Say($"written to {output} after {clock.Elapsed.TotalSeconds:F0} s: {new DirectoryInfo(output).EnumerateFiles().Sum(f => f.Length)} bytes");
    }

    private static void Say(FormattableString text) => Console.WriteLine(text.ToString(CultureInfo.InvariantCulture));

    private sealed class ConsoleProgress(Stopwatch clock) : IProgress<TrainingProgress>
    {
        private readonly double _start = clock.Elapsed.TotalSeconds;
        private double _mean;

        public void Report(TrainingProgress value)
        {
            _mean = value.Step == 1 ? value.Loss : (0.99 * _mean) + (0.01 * value.Loss);
            if (value.Step % 50 != 0 && value.Step != value.TotalSteps)
                return;
            var seconds = clock.Elapsed.TotalSeconds - _start;
            Say($"step {value.Step} of {value.TotalSteps}, loss {_mean:F4}, {value.SamplesSeen / seconds:F0} sentences/s, {seconds / value.Step * (value.TotalSteps - value.Step):F0} s left");
        }
    }
}
