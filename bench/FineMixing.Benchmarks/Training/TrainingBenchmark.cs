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

    public static int Run(string[] args)
    {
        var harness = new Harness(Harness.Integer(args, "--rounds", 5));
        var sizes = Harness.Option(args, "--sizes", "minilm,base").Split(',');
        var steps = Harness.Integer(args, "--steps", 4);
        harness.Header("Training step, 16 x 64 tokens, no dropout", FormattableString.Invariant($"training --sizes {string.Join(',', sizes)} --steps {steps}{Threads.Argument(args)}"));
        var threads = Threads.Set(args);
        BFloat16.SayIfMissing(harness);
        foreach (var size in sizes)
            Measure(harness, size, steps, threads);
        harness.Save(args);
        return 0;
    }

    private static void Measure(Harness harness, string size, int steps, int threads)
    {
        var config = Workload.Config(size, dropout: 0);
        var weights = Workload.Weights(config);
        var inputs = Workload.Texts(Rows, Tokens);
        var operations = Workload.StepFlops(config, Rows, Tokens) * steps;
        using var peak32 = new MatrixPeak(torch.ScalarType.Float32);
        using var naive = new NaiveTraining(config);
        using var single = new FastTraining(config, weights, lowPrecision: false, threads);
        using var low = BFloat16.Here ? new FastTraining(config, weights, lowPrecision: true, threads) : null;
        using var peak = BFloat16.Here ? new MatrixPeak(torch.ScalarType.BFloat16) : null;
        void Steps(Action step)
        {
            for (var i = 0; i < steps; i++)
                step();
        }

        List<Case> cases =
        [
            new(Naive, () => Steps(() => naive.Step(inputs, Tokens))),
            new(Single, () => Steps(() => single.Step(inputs)), Against: Naive, Goal: "0.77 (1.3x)"),
            new("single-precision products of 2048, same operations", () => peak32.Run(operations), Against: Single),
            new("optimiser alone, single precision", () => Steps(() => single.Optimise(inputs)), Against: Single, Goal: "0.08"),
        ];
        if (low is not null)
        {
            cases.AddRange(
                new Case(Low, () => Steps(() => low.Step(inputs)), Against: Naive, Goal: size == "base" ? "0.22 (4.5x)" : "0.25 (4.0x)"),
                new Case("bfloat16 products of 2048, same operations", () => peak!.Run(operations), Against: Low, Goal: size == "base" ? ">= 0.75" : ">= 0.60"),
                new Case("optimiser alone, bfloat16", () => Steps(() => low.Optimise(inputs)), Against: Low, Goal: "0.08"));
        }

        harness.Measure(FormattableString.Invariant($"{size}: milliseconds for {steps} steps"), [.. cases]);
    }
}
