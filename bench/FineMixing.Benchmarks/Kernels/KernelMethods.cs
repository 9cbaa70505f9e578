using BenchmarkDotNet.Attributes;
using FineMixing.Checkpoints;
using FineMixing.Datasets;
using FineMixing.Datasets.Generated;
using FineMixing.Mixing;
using FineMixing.Purification;
using FineMixing.Tokenization;
using FineMixing.Torch.FineTuning;

namespace FineMixing.Benchmarks.Kernels;

/// <summary>The inner loops, each on one thread; the mean is per element, embedding row or sentence.</summary>
public unsafe class KernelMethods : IDisposable
{
    private const int Elements = 1 << 20;
    private const int Rows = 4096;
    private const int Columns = 384;
    private const int Sentences = 1024;

    private readonly Memory _suspect = new(4L * Elements, 1);
    private readonly Memory _base = new(4L * Elements, 2);
    private readonly Memory _output = new(4L * Elements, 3);
    private readonly Memory _rows = new(4L * Rows * Columns, 4);
    private readonly Memory _baseRows = new(4L * Rows * Columns, 5);
    private readonly float[] _weights = Numbers(0.1f);
    private readonly float[] _gradients = Numbers(0.001f);
    private readonly float[] _first = new float[Elements];
    private readonly float[] _second = new float[Elements];
    private readonly ushort[] _low = new ushort[Elements];
    private readonly ushort[] _lowGradients = [.. Numbers(0.001f).Select(FloatConversion.ToBFloat16)];
    private readonly ushort[] _lanes = new ushort[MaskKernels.BlockElements];
    private readonly double[] _drifts = new double[Rows];
    private readonly RandomMask _mask = RandomMask.Bernoulli(1, "benchmark", 0.5);
    private readonly MaskParameters _parameters = MaskParameters.For(1, 2, 0.5);
    private readonly AdamWStep _step = AdamWStep.At(1, 1e-5, 0.01, 1);
    private IReadOnlyList<TextExample> _texts = [];
    private WordPieceTokenizer? _tokenizer;

    [GlobalSetup]
    public void Setup()
    {
        _texts = ReviewGenerator.Generate(Sentences, 1);
        _tokenizer = TokenizerFor(_texts);
    }

    [Benchmark(Description = "mask", OperationsPerInvoke = Elements)]
    public void Mask()
    {
        for (var start = 0; start < Elements; start += _lanes.Length)
            MaskKernels.Fill(_parameters, (ulong)start, _lanes, MaskKernels.Best);
    }

    [Benchmark(Description = "mix, F32", OperationsPerInvoke = Elements)]
    public void Mix() => _mask.Select(0, 4, _suspect.Span(0, 4 * Elements), _base.Span(0, 4 * Elements), _output.Span(0, 4 * Elements), false);

    [Benchmark(Description = "mix, BF16", OperationsPerInvoke = 2 * Elements)]
    public void MixLow() => _mask.Select(0, 2, _suspect.Span(0, 4 * Elements), _base.Span(0, 4 * Elements), _output.Span(0, 4 * Elements), false);

    [Benchmark(Description = "E-PUR drift, a row of 384", OperationsPerInvoke = Rows)]
    public void Drift() => EmbeddingDrift.SquaredDistances(DType.F32, _rows.Span(0, 4 * Rows * Columns), DType.F32, _baseRows.Span(0, 4 * Rows * Columns), Columns, 1, _drifts);

    [Benchmark(Description = "tokenization, a sentence", OperationsPerInvoke = Sentences)]
    public int Tokenize()
    {
        var tokens = 0;
        foreach (var text in _texts)
            tokens += _tokenizer!.Encode(text.Text, null, 128).Length;
        return tokens;
    }

    [Benchmark(Description = "AdamW, single precision", OperationsPerInvoke = Elements)]
    public void AdamW()
    {
        fixed (float* w = _weights, m = _first, v = _second, g = _gradients)
            AdamWKernel.Update(w, m, v, g, secondGradient: null, lowGradient: false, null, Elements, _step);
    }

    [Benchmark(Description = "AdamW, bfloat16 gradient and copy", OperationsPerInvoke = Elements)]
    public void AdamWLow()
    {
        fixed (float* w = _weights, m = _first, v = _second)
        fixed (ushort* g = _lowGradients, low = _low)
            AdamWKernel.Update(w, m, v, g, secondGradient: null, lowGradient: true, low, Elements, _step);
    }

    [GlobalCleanup]
    public void Dispose()
    {
        foreach (var memory in new[] { _suspect, _base, _output, _rows, _baseRows })
            memory.Dispose();
        GC.SuppressFinalize(this);
    }

    private static float[] Numbers(float size)
    {
        var random = new Random(1);
        return [.. Enumerable.Range(0, Elements).Select(_ => size * (random.NextSingle() - 0.5f))];
    }

    // Words of the texts whole, one in four cut into letters.
    private static WordPieceTokenizer TokenizerFor(IReadOnlyList<TextExample> texts)
    {
        var words = texts.SelectMany(t => t.Text.ToLowerInvariant().Split(' ')).Distinct(StringComparer.Ordinal).Order(StringComparer.Ordinal).Where((_, i) => i % 4 != 0);
        var letters = "abcdefghijklmnopqrstuvwxyz.,'-!?".Select(c => c.ToString());
        var vocabulary = new[] { "[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]" }.Concat(letters).Concat(letters.Select(c => "##" + c)).Concat(words).Distinct(StringComparer.Ordinal);
        var folder = Directory.CreateTempSubdirectory("finemixing-bench-");
        try
        {
            File.WriteAllLines(Path.Combine(folder.FullName, "vocab.txt"), vocabulary);
            return WordPieceTokenizer.FromFolder(folder.FullName);
        }
        finally
        {
            folder.Delete(recursive: true);
        }
    }
}
