using FineMixing.Checkpoints;
using FineMixing.Mixing;
using TorchSharp;

namespace FineMixing.Benchmarks.Kernels;

/// <summary>Masks and mixing in memory against copying the output, TorchSharp's where and a scalar loop.</summary>
internal static class MixingBenchmark
{
    public static int Run(string[] args)
    {
        var count = Harness.Integer(args, "--millions", 110) * 1_000_000L;
        var threads = Harness.Integer(args, "--threads", 2);
        var harness = new Harness(Harness.Integer(args, "--rounds", 7));
        harness.Header("Mixing in memory", FormattableString.Invariant($"mixing{(args.Contains("--no-torch") ? " --no-torch" : "")} --millions {count / 1_000_000} --threads {threads}"));
        harness.Line($"Vectors used: {MaskKernels.Best}. {count / 1_000_000} million elements, reserve ratio 0.5.");
        harness.Line("");
        Masks(harness);
        foreach (var (name, size, goal, inPlace) in new[] { ("F32", 4, "1.25 (1.3 without AVX-512)", "1.2"), ("BF16 and F16", 2, "1.7 (1.9 without AVX-512)", "") })
            Mix(harness, name, size, count, threads, goal, inPlace);
        Api(harness, count, threads);
        if (!args.Contains("--no-torch"))
            Others(harness, count, threads);
        harness.Save(args);
        return 0;
    }

    private static void Masks(Harness harness)
    {
        const int Count = 10_000_000;
        var lanes = new ushort[MaskKernels.BlockElements];
        var parameters = MaskParameters.For(1, 2, 0.3);
        void Fill(KernelWidth width)
        {
            for (var start = 0; start < Count; start += lanes.Length)
                MaskKernels.Fill(parameters, (ulong)start, lanes, width);
        }

        harness.Measure(
            "Mask of 10 million elements, one thread (ms / 10 = ns an element)",
            [.. Enum.GetValues<KernelWidth>().Select(w => new Case(w.ToString(), () => Fill(w), Against: "Scalar"))]);
    }

    private static void Mix(Harness harness, string name, int size, long count, int threads, string goal, string inPlaceGoal)
    {
        using var suspect = new Memory(count * size, 1);
        using var @base = new Memory(count * size, 2);
        using var output = new Memory(count * size, 3);
        using var spare = new Memory(count * size, 4);
        var mask = RandomMask.Bernoulli(1, "benchmark", 0.5);
        var copy = $"copy {name}";
        void Select(Memory s, Memory target, int t, bool streaming) =>
            target.Chunks(t, (start, bytes) => mask.Select(start / size, size, s.Span(start, bytes), @base.Span(start, bytes), target.Span(start, bytes), streaming));
        void Copy(int t) => output.Chunks(t, (start, bytes) => suspect.Span(start, bytes).CopyTo(output.Span(start, bytes)));
        harness.Measure(
            FormattableString.Invariant($"{name}, prepared output"),
            new Case($"{copy}, 1 thread", () => Copy(1)),
            new Case($"mix, 1 thread", () => Select(suspect, output, 1, true), Against: $"{copy}, 1 thread"),
            new Case(FormattableString.Invariant($"{copy}, {threads} threads"), () => Copy(threads)),
            new Case(FormattableString.Invariant($"mix, {threads} threads"), () => Select(suspect, output, threads, true), Against: FormattableString.Invariant($"{copy}, {threads} threads"), Goal: goal),
            new Case(FormattableString.Invariant($"mix, plain stores, {threads} threads"), () => Select(suspect, output, threads, false), Against: FormattableString.Invariant($"{copy}, {threads} threads")),
            new Case(FormattableString.Invariant($"mix in place, {threads} threads"), () => Select(spare, spare, threads, false), Against: FormattableString.Invariant($"{copy}, {threads} threads"), Goal: inPlaceGoal));
    }

    private static void Api(Harness harness, long count, int threads)
    {
        StateDict Model(int seed)
        {
            var model = new StateDict();
            for (long layer = 0, left = count; left > 0; layer++)
            {
                var rows = Math.Min(left, 7_000_000) / 1000;
                left -= Math.Max(1, rows) * 1000;
                var info = new TensorInfo(FormattableString.Invariant($"encoder.layer.{layer}.output.dense.weight"), DType.F32, [Math.Max(1, rows), 1000]);
                var tensor = new HostTensor(info, new byte[info.ByteLength]);
                new Random(seed).NextBytes(tensor.Bytes);
                for (var i = 3; i < tensor.Bytes.Length; i += 4)
                    tensor.Bytes[i] &= 0xBF;
                model.Add(tensor);
            }

            return model;
        }

        var (suspect, @base, output) = (Model(1), Model(2), Model(3));
        var mixer = WeightMixers.Get("fine-mixing");
        var options = new MixingOptions { Threads = threads, CheckFinite = false };
        harness.Measure(
            FormattableString.Invariant($"The whole call, F32, {threads} threads"),
            new Case("copy of all tensors", () => WorkerThreads.Run(suspect.Tensors, threads, t => suspect[t.Name].Bytes.AsSpan().CopyTo(output[t.Name].Bytes), CancellationToken.None)),
            new Case("WeightMixing.MixInto, no check for NaN", () => WeightMixing.MixInto(mixer, suspect, @base, options, output), Against: "copy of all tensors"),
            new Case("WeightMixing.MixInto", () => WeightMixing.MixInto(mixer, suspect, @base, options with { CheckFinite = true }, output), Against: "copy of all tensors", Goal: "1.25 (1.3 without AVX-512)"),
            new Case("WeightMixing.Mix (new memory)", () => WeightMixing.Mix(mixer, suspect, @base, options with { CheckFinite = true }), Against: "copy of all tensors"));
    }

    private static void Others(Harness harness, long count, int threads)
    {
        using var suspect = new Memory(count * 4, 1);
        using var @base = new Memory(count * 4, 2);
        using var output = new Memory(count * 4, 3);
        var mask = RandomMask.Bernoulli(1, "benchmark", 0.5);
        torch.set_num_threads(threads);
        using var b = torch.rand(count);
        using var p = torch.rand(count);
        void Torch()
        {
            using var uniform = torch.rand(count);
            using var condition = uniform < 0.5;
            using var mixed = torch.where(condition, b, p);
        }

        void Scalar()
        {
            var random = new Random(1);
            for (long start = 0; start < count; start += 1 << 20)
            {
                var n = (int)Math.Min(1 << 20, count - start);
                var s = Floats(suspect, start, n);
                var q = Floats(@base, start, n);
                var o = Floats(output, start, n);
                for (var i = 0; i < n; i++)
                    o[i] = random.NextDouble() < 0.5 ? s[i] : q[i];
            }
        }

        harness.Measure(
            "Against other ways, F32 (ratio: how many times longer they take)",
            new Case("mix", () => output.Chunks(threads, (start, bytes) => mask.Select(start / 4, 4, suspect.Span(start, bytes), @base.Span(start, bytes), output.Span(start, bytes), true))),
            new Case("TorchSharp where(rand < rho, B, P)", Torch, Against: "mix", Goal: ">= 30"),
            new Case("scalar loop, seeded System.Random", Scalar, Against: "mix", Goal: ">= 40"));
    }

    private static Span<float> Floats(Memory memory, long start, int count) => System.Runtime.InteropServices.MemoryMarshal.Cast<byte, float>(memory.Span(start * 4, count * 4));
}
