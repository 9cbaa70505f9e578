using System.Globalization;
using FineMixing.Benchmarks.Kernels;
using FineMixing.Benchmarks.Training;
using FineMixing.Checkpoints;
using FineMixing.Models;
using FineMixing.Torch.FineTuning;

namespace FineMixing.Benchmarks.Processes;

/// <summary>A whole defence with the console tool, from the start of the process to the saved folder: E-PUR, Fine-mixing with a given ratio, 20 epochs on 64 samples.</summary>
internal static class DefenceBenchmark
{
    private const int Samples = 64;

    public static int Run(string[] args)
    {
        var cli = Harness.Option(args, "--cli", "");
        if (cli.Length == 0)
        {
            Console.Error.WriteLine("defence: --cli PATH must name the published console tool (finemix, or finemix.dll).");
            return 2;
        }

        var sizes = Harness.Option(args, "--sizes", "minilm,base").Split(',');
        var epochs = Harness.Integer(args, "--epochs", 20);
        var harness = new Harness(Harness.Integer(args, "--rounds", 3), warmUp: !args.Contains("--no-warm-up"));
        harness.Header(
            FormattableString.Invariant($"A whole defence: {Samples} samples, {epochs} epochs, reserve ratio 0.5"),
            FormattableString.Invariant($"defence --cli FINEMIX --sizes {string.Join(',', sizes)} --epochs {epochs}{Threads.Argument(args)}"));
        BFloat16.SayIfMissing(harness);
        var folder = Path.Combine(Harness.Option(args, "--folder", Path.GetTempPath()), FormattableString.Invariant($"finemixing-bench-{Environment.ProcessId}"));
        try
        {
            foreach (var size in sizes)
                Measure(harness, folder, size, epochs, cli, Harness.Integer(args, "--threads", 0));
        }
        finally
        {
            if (Directory.Exists(folder))
                Directory.Delete(folder, recursive: true);
        }

        harness.Save(args);
        return 0;
    }

    private static void Measure(Harness harness, string folder, string size, int epochs, string cli, int threads)
    {
        var (suspect, @base, clean, output) = (Path.Combine(folder, "suspect"), Path.Combine(folder, "base"), Path.Combine(folder, "clean.tsv"), Path.Combine(folder, "output"));
        var config = Workload.Config(size, dropout: 0.1);
        Write(config, @base, change: 0);
        Write(config, suspect, change: 0.005);
        File.WriteAllLines(clean, Workload.Sentences(4 * Samples).Select((s, i) => Row(s, i % 2)).Prepend("sentence\tlabel"));
        string[] arguments =
        [
            "defend", "--suspect", suspect, "--base", @base, "--clean", clean, "--output", output, "--method", "fine-mixing", "--reserve-ratio", "0.5",
            "--samples", Text(Samples), "--epochs", Text(epochs), "--threads", Text(threads),
        ];
        var peak = 0.0;
        void Clean()
        {
            if (Directory.Exists(output))
                Directory.Delete(output, recursive: true);
        }

        harness.Measure(
            $"{size}: milliseconds from start to end",
            new Case($"finemix defend, {(BFloat16.Here ? "bfloat16" : "single precision")}", () => peak = Math.Max(peak, ChildProcess.Tool(cli, arguments)), Clean, Goal: size == "base" ? "60000 ms with bfloat16" : "12000 ms with bfloat16"));
        harness.Line(FormattableString.Invariant($"Peak resident memory of the tool: {peak:0} MB."));
        harness.Line("");
        Directory.Delete(folder, recursive: true);
    }

    private static void Write(ModelConfig config, string folder, double change)
    {
        var files = new Dictionary<string, ReadOnlyMemory<byte>>
        {
            ["config.json"] = System.Text.Encoding.UTF8.GetBytes(config.ToClassifierJson("float32")),
            ["vocab.txt"] = System.Text.Encoding.UTF8.GetBytes(string.Join('\n', Enumerable.Range(0, config.VocabularySize).Select(Token)) + "\n"),
        };
        CheckpointWriter.Write(Workload.Weights(config, change), folder, new CheckpointWriterOptions { ExtraFiles = files });
    }

    // Special tokens where BERT has them; all others are whole words.
    private static string Token(int id) => id switch
    {
        0 => "[PAD]",
        100 => "[UNK]",
        101 => "[CLS]",
        102 => "[SEP]",
        103 => "[MASK]",
        < 1000 => FormattableString.Invariant($"[unused{id}]"),
        _ => FormattableString.Invariant($"w{id}"),
    };

    // The tokenizer adds the first and the last token again.
    private static string Row(ModelInput sentence, int label) =>
        FormattableString.Invariant($"{string.Join(' ', sentence.Encoding.Ids[1..^1].Select(Token))}\t{label}");

    private static string Text(int number) => number.ToString(CultureInfo.InvariantCulture);
}
