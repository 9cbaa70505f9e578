using System.Globalization;
using System.Runtime.CompilerServices;
using FineMixing.Benchmarks.Kernels;
using FineMixing.Benchmarks.Training;
using FineMixing.FineTuning;
using FineMixing.Models;
using FineMixing.Torch.FineTuning;
using FineMixing.Torch.Models;
using static TorchSharp.torch;

namespace FineMixing.Benchmarks.Processes;

/// <summary>Peak resident memory of a process that trains for a few steps at one shape, a new process for each case.</summary>
internal static class MemoryBenchmark
{
    private const int Rows = 16;
    private const string Naive = "naive TorchSharp loop";

    private sealed record Kind(string Name, bool LowPrecision, int Shards, bool Checkpointing);

    private static readonly Kind[] Kinds =
    [
        new("FineMixing, single precision, 1 shard", false, 1, false),
        new("FineMixing, single precision, 2 shards", false, 2, false),
        new("FineMixing, single precision, 1 shard, checkpointing", false, 1, true),
        new("FineMixing, bfloat16, 1 shard", true, 1, false),
        new("FineMixing, bfloat16, 2 shards", true, 2, false),
        new("FineMixing, bfloat16, 1 shard, checkpointing", true, 1, true),
    ];

    public static int Run(string[] args)
    {
        if (args.Length > 0 && args[0] == "--child")
            return Child(args[1..]);
        var sizes = Harness.Option(args, "--sizes", "minilm,base").Split(',');
        var lengths = Harness.Option(args, "--tokens", "64,256").Split(',').Select(t => int.Parse(t, CultureInfo.InvariantCulture)).ToArray();
        var steps = Harness.Integer(args, "--steps", 3);
        var rounds = Harness.Integer(args, "--rounds", 1);
        var harness = new Harness(rounds);
        harness.Header(
            "Peak resident memory while training",
            FormattableString.Invariant($"memory --sizes {string.Join(',', sizes)} --tokens {string.Join(',', lengths)} --steps {steps}{Threads.Argument(args)}"),
            FormattableString.Invariant($"A process of its own for each case, {steps} steps of {Rows} texts, no dropout; VmHWM when it ends, median of {rounds}"));
        harness.Line("All start from weights in memory that are let go. The naive process uses the C library's allocator as it is; FineMixing's tells it to keep large blocks.");
        harness.Line("");
        BFloat16.SayIfMissing(harness);
        var threads = Harness.Integer(args, "--threads", Environment.ProcessorCount);
        foreach (var (size, tokens) in lengths.SelectMany(t => sizes.Select(s => (s, t))))
            Table(harness, size, tokens, steps, rounds, threads);
        harness.Save(args);
        return 0;
    }

    private static void Table(Harness harness, string size, int tokens, int steps, int rounds, int threads)
    {
        double Peak(string kind) => Harness.Median([.. Enumerable.Range(0, rounds).Select(_ => double.Parse(
            ChildProcess.Self("memory", "--child", kind, size, Text(tokens), Text(steps), Text(threads)), CultureInfo.InvariantCulture))]);
        var naive = Peak(Naive);
        harness.Line(FormattableString.Invariant($"## {size}, {Rows} x {tokens} tokens"));
        harness.Line("");
        harness.Line("| case | MB at the peak | ratio | goal |");
        harness.Line("|---|---|---|---|");
        harness.Line(FormattableString.Invariant($"| {Naive} | {naive:0} |  |  |"));
        foreach (var kind in Kinds.Where(k => BFloat16.Here || !k.LowPrecision))
        {
            var peak = Peak(kind.Name);
            var goal = !kind.LowPrecision || tokens != 64 ? "" : size == "base" ? "0.55" : "0.75";
            harness.Line(FormattableString.Invariant($"| {kind.Name} | {peak:0} | {peak / naive:0.00} | {goal} |"));
        }

        harness.Line("");
    }

    private static int Child(string[] args)
    {
        var config = Workload.Config(args[1], dropout: 0);
        var (tokens, steps, threads) = (Number(args[2]), Number(args[3]), Number(args[4]));
        var inputs = Workload.Texts(Rows * steps, tokens);
        if (Kinds.FirstOrDefault(k => k.Name == args[0]) is { } kind)
            Train(config, inputs, kind, threads);
        else
            TrainNaively(config, inputs, tokens, threads);
        ChildProcess.PrintPeak();
        return 0;
    }

    // TorchSharp without FineMixing's loader, which would change the allocator.
    private static void TrainNaively(ModelConfig config, ModelInput[] inputs, int tokens, int threads)
    {
        set_num_threads(threads);
        using var naive = new NaiveTraining(config);
        foreach (var batch in inputs.Chunk(Rows))
            naive.Step(batch, tokens);
    }

    private static void Train(ModelConfig config, ModelInput[] inputs, Kind kind, int threads)
    {
        using var store = Load(config, kind.LowPrecision);
        GC.Collect(GC.MaxGeneration, GCCollectionMode.Aggressive, blocking: true, compacting: true);
        var options = new FineTuningOptions { Epochs = 1, BatchSize = Rows, LearningRate = 1e-5, Threads = threads, Shards = kind.Shards, ActivationCheckpointing = kind.Checkpointing };
        TrainingLoop.Run(store, inputs, options, null, null, null, CancellationToken.None);
    }

    // A method of its own, so that nothing holds the weights it was loaded from afterwards.
    [MethodImpl(MethodImplOptions.NoInlining)]
    private static ParameterStore Load(ModelConfig config, bool lowPrecision)
    {
        Torch.Native.TorchRuntime.EnsureLoaded();
        return ParameterStore.Load(config, Workload.Weights(config), CPU, lowPrecision, trainable: true);
    }

    private static string Text(int number) => number.ToString(CultureInfo.InvariantCulture);

    private static int Number(string text) => int.Parse(text, CultureInfo.InvariantCulture);
}
