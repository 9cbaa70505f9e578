using FineMixing.Benchmarks.Kernels;
using TorchSharp;

namespace FineMixing.Benchmarks.Training;

/// <summary>One training step of 16 x 64 tokens against the naive loop, and against the machine's own matrix-product rate, in one run.</summary>
internal static class TrainingBenchmark
{
    private const int Rows = 16;
    private const int Tokens = 64;
    private const string Naive = "naive TorchSharp loop";
    private const string Single = "FineMixing, single precision";
    private const string Low = "FineMixing, bfloat16";
    private const string Peak32 = "single-precision products of 2048, same operations";
    private const string Peak = "bfloat16 products of 2048, same operations";

    public static int Run(string[] args)
    {
        var place = new Place(args);
        var harness = new Harness(Harness.Integer(args, "--rounds", 5));
        var sizes = Harness.Option(args, "--sizes", "minilm,base").Split(',');
        var steps = Harness.Integer(args, "--steps", 4);
        var shards = Harness.Integer(args, "--shards", 0);
        harness.Header("Training step, 16 x 64 tokens, no dropout", FormattableString.Invariant($"training --sizes {string.Join(',', sizes)} --steps {steps}{(shards == 0 ? "" : $" --shards {shards}")}{place.Argument}{Threads.Argument(args)}"));
        var threads = Threads.Set(args);
        place.Describe(harness);
        foreach (var size in sizes)
            Measure(harness, place, size, steps, threads, shards);
        harness.Save(args);
        return 0;
    }

    private static void Measure(Harness harness, Place place, string size, int steps, int threads, int shards)
    {
        var config = Workload.Config(size, dropout: 0);
        var weights = Workload.Weights(config);
        var inputs = Workload.Texts(Rows, Tokens);
        var operations = Workload.StepFlops(config, Rows, Tokens) * steps;
        using var peak32 = new MatrixPeak(torch.ScalarType.Float32, place.Device);
        using var naive = new NaiveTraining(config, device: place.Device);
        using var single = new FastTraining(config, weights, lowPrecision: false, threads, place.Device, shards);
        using var low = place.HasBFloat16 ? new FastTraining(config, weights, lowPrecision: true, threads, place.Device, shards) : null;
        using var peak = place.HasBFloat16 ? new MatrixPeak(torch.ScalarType.BFloat16, place.Device) : null;
        Action Steps(Action step) => place.Whole(() =>
        {
            for (var i = 0; i < steps; i++)
                step();
        });

        // What is aimed at was stated for CPUs.
        string? Goal(string onCpu) => place.OnGpu ? null : onCpu;
        // A GPU does not wait for the host, so a part of a step has no time of its own there.
        Case Optimiser(FastTraining training, string whole) => place.OnGpu
            ? new($"optimiser alone: {whole}", Steps(() => training.Optimise(inputs)), Against: whole)
            : Case.PartOf(whole, $"of it the optimiser: {whole}", training.TakeOptimiserTime, "0.08");
        List<Case> cases =
        [
            new(Naive, Steps(() => naive.Step(inputs, Tokens))),
            new(Single, place.Whole(() => single.Steps(inputs, steps)), Against: Naive, Goal: Goal("0.77 (1.3x)")),
            Optimiser(single, Single),
            new(Peak32, place.Whole(() => peak32.Run(operations)), Against: Single),
        ];
        if (low is not null)
        {
            cases.AddRange(
                new Case(Low, place.Whole(() => low.Steps(inputs, steps)), Against: Naive, Goal: Goal(size == "base" ? "0.22 (4.5x)" : "0.25 (4.0x)")),
                Optimiser(low, Low),
                new Case(Peak, place.Whole(() => peak!.Run(operations)), Against: Low, Goal: Goal(size == "base" ? ">= 0.75" : ">= 0.60")));
        }

        harness.Measure(FormattableString.Invariant($"{size}: milliseconds for {steps} steps"), [.. cases]);
    }
}
