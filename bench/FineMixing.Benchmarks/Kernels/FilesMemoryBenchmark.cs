using System.Globalization;
using FineMixing.Benchmarks.Processes;
using FineMixing.Checkpoints;

namespace FineMixing.Benchmarks.Kernels;

/// <summary>The peak memory of processes that mix small and large pairs, of few and of many tensors.</summary>
internal static class FilesMemoryBenchmark
{
    private const double GoalMegabytes = 64;

    public static int Run(string[] args)
    {
        var sizes = Harness.Option(args, "--megabytes", "440,4000,9000").Split(',').Select(s => int.Parse(s, CultureInfo.InvariantCulture)).ToArray();
        var cli = Harness.Option(args, "--cli", "");
        var folder = Path.Combine(Harness.Option(args, "--folder", Path.GetTempPath()), FormattableString.Invariant($"finemixing-bench-{Environment.ProcessId}"));
        var rounds = Harness.Integer(args, "--rounds", 3);
        var harness = new Harness(rounds);
        harness.Header(
            "Peak resident memory while mixing files",
            FormattableString.Invariant($"files-memory --megabytes {string.Join(',', sizes)}{(cli.Length > 0 ? " --cli FINEMIX" : "")}"),
            FormattableString.Invariant($"A process of its own for each case, 2 threads, BF16, no manifest; VmHWM in MB (10^6 bytes), median of {rounds}; goal: {GoalMegabytes} whatever the size"));
        harness.Line("| pair | tensors | a process that only mixes | `finemix mix` |");
        harness.Line("|---|---|---|---|");
        foreach (var size in sizes)
        {
            // Many layers of BERT-base's width, and fewer of four times that.
            foreach (var width in size > 1000 ? new[] { 768, 3072 } : [768])
            {
                Directory.CreateDirectory(folder);
                try
                {
                    Measure(harness, rounds, folder, FilesBenchmark.Tensors(DType.BF16, size * 1_000_000L, width), cli);
                }
                finally
                {
                    Directory.Delete(folder, recursive: true);
                }
            }
        }

        harness.Save(args);
        return 0;
    }

    private static void Measure(Harness harness, int rounds, string folder, List<TensorInfo> tensors, string cli)
    {
        var (suspect, @base, output) = (Path.Combine(folder, "suspect"), Path.Combine(folder, "base"), Path.Combine(folder, "output"));
        var write = new CheckpointWriterOptions { MaxShardBytes = 5_000_000_000 };
        CheckpointWriter.Write(new FilesBenchmark.RandomWeights(tensors, tuned: true), suspect, write);
        CheckpointWriter.Write(new FilesBenchmark.RandomWeights(tensors, tuned: false), @base, write);
        var bytes = tensors.Sum(t => t.ByteLength);
        var child = Median(rounds, output, () => double.Parse(ChildProcess.Self("files", "--child", suspect, @base, output), CultureInfo.InvariantCulture));
        var tool = cli.Length == 0 ? "not measured" : Text(Median(rounds, output, () => ChildProcess.Tool(cli, "mix", "--suspect", suspect, "--base", @base, "--output", output, "--no-manifest", "--no-flush")));
        harness.Line(FormattableString.Invariant($"| {bytes / 1e6:0} MB | {tensors.Count} | {Text(child)} | {tool} |"));
    }

    private static double Median(int rounds, string output, Func<double> peak) => Harness.Median([.. Enumerable.Range(0, rounds).Select(_ =>
    {
        var megabytes = peak();
        Directory.Delete(output, recursive: true);
        return megabytes;
    })]);

    private static string Text(double megabytes) => megabytes.ToString("0.0", CultureInfo.InvariantCulture);
}
