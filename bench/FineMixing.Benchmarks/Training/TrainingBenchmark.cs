using FineMixing.Benchmarks.Kernels;
using FineMixing.Randomness;
using FineMixing.Torch.FineTuning;
using FineMixing.Torch.Models;
using TorchSharp;
using static TorchSharp.torch;

namespace FineMixing.Benchmarks.Training;

/// <summary>One training step of 16 x 64 tokens against the naive loop, and against the machine's own matrix-product and copy rates, in one run.</summary>
internal static class TrainingBenchmark
{
    private const int Rows = 16;
    private const int Tokens = 64;

    public static int Run(string[] args)
    {
        var harness = new Harness(Harness.Integer(args, "--rounds", 5));
        var sizes = Harness.Option(args, "--sizes", "minilm,base").Split(',');
        var steps = Harness.Integer(args, "--steps", 4);
        harness.Header("Training step, 16 x 64 tokens, no dropout", $"training --sizes {string.Join(',', sizes)} --steps {steps}");
        Torch.Native.TorchRuntime.EnsureLoaded();
        foreach (var size in sizes)
            Measure(harness, size, steps);
        harness.Save(args);
        return 0;
    }

    private static void Measure(Harness harness, string size, int steps)
    {
        var config = Workload.Config(size, dropout: 0);
        var weights = Workload.Weights(config);
        var random = new DeterministicRandom(3);
        var inputs = Enumerable.Range(0, Rows).Select(_ => Workload.Text(random, Tokens)).ToArray();
        var threads = Environment.ProcessorCount;
        using var peak = new MatrixPeak(ScalarType.BFloat16);
        using var peak32 = new MatrixPeak(ScalarType.Float32);
        using var naive = new NaiveStep(config, inputs, Tokens);
        using var low = new FastStep(config, weights, inputs, lowPrecision: true, threads);
        using var single = new FastStep(config, weights, inputs, lowPrecision: false, threads);
        harness.Measure(
            $"{size}: milliseconds for {steps} steps",
            new Case("naive TorchSharp loop", () => naive.Run(steps)),
            new Case("FineMixing, single precision", () => single.Run(steps), Against: "naive TorchSharp loop", Goal: "0.77 (1.3x)"),
            new Case("FineMixing, bfloat16", () => low.Run(steps), Against: "naive TorchSharp loop", Goal: size == "base" ? "0.22 (4.5x)" : "0.25 (4.0x)"),
            new Case("bfloat16 products of 2048, same operations", () => peak.Run(Workload.StepFlops(config, Rows, Tokens) * steps), Against: "FineMixing, bfloat16", Goal: size == "base" ? ">= 0.75" : ">= 0.60"),
            new Case("single-precision products of 2048, same operations", () => peak32.Run(Workload.StepFlops(config, Rows, Tokens) * steps), Against: "FineMixing, single precision"),
            new Case("optimiser alone", () => low.Optimise(steps), Against: "FineMixing, bfloat16", Goal: "0.08"));
    }

    private sealed class MatrixPeak : IDisposable
    {
        private const int Size = 2048;
        private readonly Tensor _a;
        private readonly Tensor _b;

        public MatrixPeak(ScalarType type) => (_a, _b) = (rand(Size, Size).to(type), rand(Size, Size).to(type));

        public void Run(double operations)
        {
            var products = (int)Math.Round(operations / (2.0 * Size * Size * Size));
            for (var i = 0; i < products; i++)
                _a.mm(_b).Dispose();
        }

        public void Dispose()
        {
            _a.Dispose();
            _b.Dispose();
        }
    }

    private sealed class FastStep : IDisposable
    {
        private readonly ParameterStore _store;
        private readonly CpuAdamW _update;
        private readonly ModelInput[] _inputs;
        private int _step;

        public FastStep(Models.ModelConfig config, Checkpoints.StateDict weights, ModelInput[] inputs, bool lowPrecision, int threads)
        {
            _store = ParameterStore.Load(config, weights, CPU, lowPrecision, trainable: true);
            _update = new CpuAdamW(_store, threads);
            _inputs = inputs;
        }

        public void Run(int steps)
        {
            for (var i = 0; i < steps; i++)
            {
                using var scope = NewDisposeScope();
                var words = _update.Gather(_inputs);
                TrainingLoop.Backward(_store, _inputs, words, null, _step++, int.MaxValue);
                _update.Step(words, 1e-5, 0.01, 1);
            }
        }

        public void Optimise(int steps)
        {
            using var scope = NewDisposeScope();
            for (var i = 0; i < steps; i++)
            {
                var words = _update.Gather(_inputs);
                foreach (var block in _store.Blocks)
                    block.Leaf.grad = zeros_like(block.Leaf);
                words.Leaf.grad = zeros_like(words.Leaf);
                _update.Step(words, 1e-5, 0.01, 1);
            }
        }

        public void Dispose()
        {
            _update.Dispose();
            _store.Dispose();
        }
    }

    private sealed class NaiveStep : IDisposable
    {
        private readonly NaiveBert _model;
        private readonly optim.Optimizer _optimizer;
        private readonly Tensor _ids;
        private readonly Tensor _mask;
        private readonly Tensor _labels;

        public NaiveStep(Models.ModelConfig config, ModelInput[] inputs, int padTo)
        {
            _model = new NaiveBert(config);
            _model.train();
            _optimizer = optim.AdamW(_model.parameters(), 1e-5, weight_decay: 0.01);
            (_ids, _mask, _labels) = NaiveBatch.Of(inputs, padTo);
        }

        public void Run(int steps)
        {
            for (var i = 0; i < steps; i++)
            {
                using var scope = NewDisposeScope();
                _optimizer.zero_grad();
                using var loss = nn.functional.cross_entropy(_model.forward(_ids, _mask), _labels);
                loss.backward();
                _ = nn.utils.clip_grad_norm_(_model.parameters(), 1.0);
                _optimizer.step();
            }
        }

        public void Dispose()
        {
            _optimizer.Dispose();
            _model.Dispose();
            _ids.Dispose();
            _mask.Dispose();
            _labels.Dispose();
        }
    }
}

/// <summary>A padded batch as the naive loop builds it.</summary>
internal static class NaiveBatch
{
    public static (Tensor Ids, Tensor Mask, Tensor Labels) Of(IReadOnlyList<ModelInput> inputs, int padTo)
    {
        var ids = new long[inputs.Count * padTo];
        var mask = new long[inputs.Count * padTo];
        for (var row = 0; row < inputs.Count; row++)
        {
            for (var i = 0; i < Math.Min(padTo, inputs[row].Encoding.Length); i++)
                (ids[(row * padTo) + i], mask[(row * padTo) + i]) = (inputs[row].Encoding.Ids[i], 1);
        }

        var labels = inputs.Select(i => i.Target.Length == 0 ? 0L : Array.IndexOf(i.Target, 1f)).ToArray();
        return (tensor(ids, [inputs.Count, padTo]), tensor(mask, [inputs.Count, padTo]), tensor(labels));
    }
}
