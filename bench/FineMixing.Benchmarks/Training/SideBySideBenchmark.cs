using FineMixing.Benchmarks.Kernels;
using FineMixing.Checkpoints;
using FineMixing.FineTuning;
using FineMixing.Models;
using FineMixing.Pipelines;
using FineMixing.Torch.FineTuning;
using FineMixing.Torch.Models;
using static TorchSharp.torch;

namespace FineMixing.Benchmarks.Training;

/// <summary>Several small fine-tunings (as a grid over seeds or ratios needs): side by side with a share of the threads each, against one after another with all threads.</summary>
internal static class SideBySideBenchmark
{
    private const string Sequential = "one after another, all threads, 2 shards";

    public static int Run(string[] args)
    {
        var harness = new Harness(Harness.Integer(args, "--rounds", 3), warmUp: !args.Contains("--no-warm-up"));
        var sizes = Harness.Option(args, "--sizes", "minilm").Split(',');
        var runs = Harness.Integer(args, "--runs", 4);
        var epochs = Harness.Integer(args, "--epochs", 2);
        harness.Header(
            FormattableString.Invariant($"{runs} fine-tunings of 64 samples, {epochs} epochs each"),
            FormattableString.Invariant($"sidebyside --sizes {string.Join(',', sizes)} --runs {runs} --epochs {epochs}{Threads.Argument(args)}"));
        var threads = Threads.Set(args);
        foreach (var size in sizes)
            Measure(harness, size, runs, epochs, threads);
        harness.Save(args);
        return 0;
    }

    private static void Measure(Harness harness, string size, int runs, int epochs, int threads)
    {
        var config = Workload.Config(size, dropout: 0.1);
        var weights = Workload.Weights(config);
        var samples = Workload.Sentences(64);
        var (workers, share) = SideBySide.Split(threads, runs);
        void Tune(int count, int threadsEach, int shards)
        {
            var options = new FineTuningOptions { Epochs = epochs, Threads = threadsEach, Shards = shards };
            SideBySide.Run([.. Enumerable.Range(1, runs)], count, seed => FineTune(config, weights, samples, options with { Seed = (ulong)seed }));
        }

        harness.Measure(
            FormattableString.Invariant($"{size}: milliseconds for all {runs}, {(BFloat16.Here ? "bfloat16" : "single precision")}"),
            new Case(Sequential, () => Tune(1, threads, 2)),
            new Case("one after another, all threads, 1 shard", () => Tune(1, threads, 1), Against: Sequential),
            new Case(FormattableString.Invariant($"{workers} side by side, {share} thread(s) each (what the runner chooses)"), () => Tune(workers, share, 0), Against: Sequential, Goal: "1"));
    }

    private static double FineTune(ModelConfig config, StateDict weights, ModelInput[] samples, FineTuningOptions options)
    {
        using var store = ParameterStore.Load(config, weights, CPU, BFloat16.Here, trainable: true);
        return TrainingLoop.Run(store, samples, options, null, null, null, CancellationToken.None)[^1];
    }
}
