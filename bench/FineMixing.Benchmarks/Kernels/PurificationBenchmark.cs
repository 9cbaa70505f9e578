using System.Numerics;
using System.Runtime.InteropServices;
using FineMixing.Checkpoints;
using FineMixing.Mixing;
using FineMixing.Purification;
using TorchSharp;

namespace FineMixing.Benchmarks.Kernels;

/// <summary>E-PUR's score against the time to read both matrices, and TorchSharp.</summary>
internal static class PurificationBenchmark
{
    public static int Run(string[] args)
    {
        var threads = Harness.Integer(args, "--threads", 2);
        var harness = new Harness(Harness.Integer(args, "--rounds", 7));
        harness.Header("E-PUR", FormattableString.Invariant($"epur{(args.Contains("--small") ? " --small" : "")} --threads {threads}"));
        foreach (var (rows, columns) in args.Contains("--small") ? [(30522, 768)] : new[] { (30522, 768), (128256, 4096) })
        {
            foreach (var dtype in new[] { DType.F32, DType.BF16, DType.F16 })
                Measure(harness, rows, columns, dtype, threads);
        }

        harness.Save(args);
        return 0;
    }

    private static void Measure(Harness harness, int rows, int columns, DType dtype, int threads)
    {
        var rowBytes = columns * (dtype.BitSize() / 8);
        using var x = new Memory((long)rows * rowBytes, 1);
        using var y = new Memory((long)rows * rowBytes, 2);
        var drifts = new double[rows];
        var block = Math.Max(1, (1 << 20) / rowBytes);
        void Blocks(Action<int, int> body) => WorkerThreads.Run(Enumerable.Range(0, (rows + block - 1) / block).Select(i => i * block), threads, start => body(start, Math.Min(block, rows - start)), CancellationToken.None);
        var cases = new List<Case>
        {
            new("read both", () => Blocks((start, n) => Read(x.Span((long)start * rowBytes, n * rowBytes), y.Span((long)start * rowBytes, n * rowBytes)))),
            new("drift of every row", () => Blocks((start, n) => EmbeddingDrift.SquaredDistances(dtype, x.Span((long)start * rowBytes, n * rowBytes), dtype, y.Span((long)start * rowBytes, n * rowBytes), columns, 1, drifts.AsSpan(start, n))), Against: "read both", Goal: dtype == DType.F16 ? "1.3" : "1.15"),
        };
        if ((long)rows * rowBytes < Array.MaxLength)
        {
            var (suspect, @base) = (Model(x, rows, columns, dtype), Model(y, rows, columns, dtype));
            var tokens = Enumerable.Range(0, rows).Select(i => FormattableString.Invariant($"t{i}")).ToList();
            var purifier = new EmbeddingPurifier(new TokenFrequencies(tokens.Take(rows / 2).Select((t, i) => KeyValuePair.Create(t, (long)i))), new PurificationOptions { Threads = threads });
            cases.Add(new Case("the whole ranking, top 200", () => purifier.Rank(suspect, @base, tokens, new HashSet<int>(), 200), Against: "read both"));
        }

        if (dtype != DType.F16)
        {
            torch.set_num_threads(threads);
            var a = torch.rand(rows, columns).to(dtype == DType.F32 ? torch.float32 : torch.bfloat16);
            var b = torch.rand(rows, columns).to(dtype == DType.F32 ? torch.float32 : torch.bfloat16);
            cases.Add(new Case("TorchSharp (A - B).norm(1).topk(200)", () =>
            {
                using var scope = torch.NewDisposeScope();
                (a - b).norm(1, keepdim: false, p: 2).topk(200);
            }, Against: "drift of every row", Goal: ">= 5"));
        }

        harness.Measure(FormattableString.Invariant($"{rows} x {columns}, {dtype.SafetensorsName()}, {threads} threads"), [.. cases]);
    }

    private static StateDict Model(Memory memory, int rows, int columns, DType dtype)
    {
        var info = new TensorInfo("embeddings.word_embeddings.weight", dtype, [rows, columns]);
        var bytes = GC.AllocateUninitializedArray<byte>((int)info.ByteLength);
        memory.Chunks(2, (start, count) => memory.Span(start, count).CopyTo(bytes.AsSpan((int)start)));
        var model = new StateDict();
        model.Add(new HostTensor(info, bytes));
        return model;
    }

    // The fastest reading there is: wide loads into four independent sums.
    private static long Read(ReadOnlySpan<byte> x, ReadOnlySpan<byte> y)
    {
        var a = MemoryMarshal.Cast<byte, Vector<long>>(x);
        var b = MemoryMarshal.Cast<byte, Vector<long>>(y);
        Vector<long> s0 = default, s1 = default, s2 = default, s3 = default;
        var i = 0;
        for (; i <= a.Length - 2; i += 2)
        {
            s0 ^= a[i];
            s1 ^= b[i];
            s2 ^= a[i + 1];
            s3 ^= b[i + 1];
        }

        return Vector.Sum(s0 ^ s1 ^ s2 ^ s3);
    }
}
