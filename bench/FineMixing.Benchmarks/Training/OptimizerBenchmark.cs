using FineMixing.Benchmarks.Kernels;
using FineMixing.Torch.FineTuning;
using FineMixing.Torch.Models;
using TorchSharp;
using static TorchSharp.torch;

namespace FineMixing.Benchmarks.Training;

/// <summary>An AdamW step over all weights against copying as many bytes, and against the optimiser of TorchSharp.</summary>
internal static class OptimizerBenchmark
{
    // Gradient read, weight and both moments read and written: 7 numbers. With bfloat16 the gradient takes 2 bytes, and 2 more write the copy of the weight.
    private const int BytesPerWeight = 28;
    private const long CopyBytes = 256L << 20;

    public static int Run(string[] args)
    {
        var harness = new Harness(Harness.Integer(args, "--rounds", 7));
        var sizes = Harness.Option(args, "--sizes", "minilm,base").Split(',');
        harness.Header("AdamW step", $"optimizer --sizes {string.Join(',', sizes)}{Threads.Argument(args)}");
        var threads = Threads.Set(args);
        BFloat16.SayIfMissing(harness);
        foreach (var size in sizes)
            Measure(harness, size, threads);
        harness.Save(args);
        return 0;
    }

    private static void Measure(Harness harness, string size, int threads)
    {
        var config = Workload.Config(size, dropout: 0);
        var weights = Workload.Weights(config);
        var inputs = Workload.Texts(16, 64);
        using var copy = new CopyRate(CopyBytes, threads);
        using var single = new OptimizerStep(ParameterStore.Load(config, weights, CPU, lowPrecision: false, trainable: true), inputs, threads);
        using var low = BFloat16.Here ? new OptimizerStep(ParameterStore.Load(config, weights, CPU, lowPrecision: true, trainable: true), inputs, threads) : null;
        using var naive = new NaiveTraining(config);
        var traffic = BytesPerWeight * single.Weights;
        List<Case> cases =
        [
            new("FineMixing, single precision", single.Run, single.Prepare),
            new("copy of as many bytes", () => copy.Run(traffic), Against: "FineMixing, single precision", Goal: ">= 0.60"),
        ];
        if (low is not null)
        {
            cases.Add(new Case("FineMixing, bfloat16", low.Run, low.Prepare));
            cases.Add(new Case("copy of as many bytes as bfloat16 moves", () => copy.Run(traffic), Against: "FineMixing, bfloat16", Goal: ">= 0.60"));
        }

        cases.Add(new Case("TorchSharp's clip_grad_norm_ and AdamW, all embeddings", naive.Optimise, naive.PrepareGradients, Against: "FineMixing, single precision"));
        harness.Line(FormattableString.Invariant($"{size}: {single.Weights / 1e6:0.0} million weights take part (the word embeddings only with the rows of a batch), {traffic / 1e9:0.00} GB are read and written."));
        harness.Line("The reading of the gradient for its norm is part of the time, not of the bytes.");
        harness.Line("");
        harness.Measure($"{size}: milliseconds for a step", [.. cases]);
    }

    /// <summary>The optimiser alone, with gradients that are made before the clock starts.</summary>
    private sealed class OptimizerStep : IDisposable
    {
        private readonly ParameterStore _store;
        private readonly CpuAdamW _update;
        private readonly IReadOnlyList<ModelInput> _inputs;
        private DisposeScope? _scope;
        private WordRows? _words;

        public OptimizerStep(ParameterStore store, IReadOnlyList<ModelInput> inputs, int threads)
        {
            (_store, _inputs, _update) = (store, inputs, new CpuAdamW(store, threads));
            Prepare();
            Weights = store.Blocks.Sum(b => b.Length) + _words!.Leaf.NumberOfElements;
        }

        public long Weights { get; }

        public void Prepare()
        {
            _scope?.Dispose();
            _scope = NewDisposeScope();
            _words = _update.Gather(_inputs);
            foreach (var leaf in _store.Blocks.Select(b => b.Leaf).Append(_words.Leaf))
                leaf.grad = randn_like(leaf).mul_(1e-3f);
        }

        public void Run() => _update.Step(_words!, 1e-5, 0.01, 1);

        public void Dispose()
        {
            _scope?.Dispose();
            _update.Dispose();
            _store.Dispose();
        }
    }
}
