using System.Runtime.InteropServices;
using FineMixing.Torch.Models;
using static TorchSharp.torch;

namespace FineMixing.Torch.FineTuning;

/// <summary>One AdamW step over a whole <see cref="ParameterStore"/> in memory: gradient norm, clipping, update and bfloat16 copy in two passes.</summary>
internal sealed unsafe class CpuAdamW : IParameterUpdate
{
    private const long ChunkLength = 1 << 16;
    private readonly ParameterStore _store;
    private readonly ParallelOptions _parallel;
    private readonly float* _first;
    private readonly float* _second;
    private readonly LazyRowAdamW _words;
    private readonly bool[] _wordSeen;
    private int _step;

    public CpuAdamW(ParameterStore store, int threads)
    {
        _store = store;
        _parallel = new ParallelOptions { MaxDegreeOfParallelism = threads };
        _first = (float*)NativeMemory.AllocZeroed((nuint)store.Length, sizeof(float));
        _second = (float*)NativeMemory.AllocZeroed((nuint)store.Length, sizeof(float));
        _words = new LazyRowAdamW(store.WordRows, store.Config.VocabularySize, store.Config.HiddenSize, threads);
        _wordSeen = new bool[store.Config.VocabularySize];
    }

    public WordRows Gather(IReadOnlyList<ModelInput> inputs)
    {
        var ids = new List<int>();
        void See(int id)
        {
            if (!_wordSeen[id])
            {
                _wordSeen[id] = true;
                ids.Add(id);
            }
        }

        See(_store.Config.PadTokenId);
        foreach (var input in inputs)
        {
            foreach (var id in input.Encoding.Ids)
                See(id);
        }

        var rowOf = new Dictionary<int, long>(ids.Count);
        foreach (var id in ids)
        {
            rowOf.Add(id, rowOf.Count);
            _wordSeen[id] = false;
        }

        var rows = ids.ToArray();
        _words.CatchUp(rows);
        var width = _store.Config.HiddenSize;
        var leaf = empty(rows.Length, width, dtype: float32);
        var target = (float*)ParameterStore.Pointer(leaf);
        for (var i = 0; i < rows.Length; i++)
            new ReadOnlySpan<float>(_store.WordRows + ((long)rows[i] * width), width).CopyTo(new Span<float>(target + ((long)i * width), width));
        return new WordRows(rows, leaf.requires_grad_(true), id => rowOf[id]);
    }

    public Tensor Step(WordRows words, double learningRate, double weightDecay, double clip)
    {
        var pieces = Gradients(words, out var wordGradient);
        var sums = new double[pieces.Count];
        Parallel.For(0, pieces.Count, _parallel, i =>
        {
            var p = pieces[i];
            sums[i] = AdamWKernel.SumOfSquares(p.Gradient, p.Second, p.Low, p.Count);
        });
        var norm = Math.Sqrt(sums.Sum());
        if (!double.IsFinite(norm))
            return tensor(norm);
        var step = AdamWStep.At(++_step, learningRate, weightDecay, clip > 0 && norm > clip ? clip / (norm + 1e-6) : 1);
        var plain = AdamWStep.At(_step, learningRate, 0, step.GradientScale);
        Parallel.For(0, pieces.Count, _parallel, i =>
        {
            var p = pieces[i];
            if (p.Block is not { } block)
                return;
            var at = block.Offset + p.Start;
            AdamWKernel.Update(block.Master + p.Start, _first + at, _second + at, p.Gradient, p.Second, p.Low, block.Low == null ? null : block.Low + p.Start, p.Count, block.Decays ? step : plain);
        });
        _words.Step(words.Ids, wordGradient, step);
        foreach (var block in _store.Blocks)
        {
            block.Leaf.grad = null;
            block.SecondGradient = null;
        }

        return tensor(norm);
    }

    public void Transfer(IStateTransfer transfer)
    {
        _step = transfer.Value("update.steps", _step);
        transfer.Memory("update.first", _first, _store.Length * sizeof(float));
        transfer.Memory("update.second", _second, _store.Length * sizeof(float));
        _words.Transfer(transfer);
    }

    public void Finish() => _words.Flush();

    public void Dispose()
    {
        _words.Dispose();
        NativeMemory.Free(_first);
        NativeMemory.Free(_second);
    }

    private readonly record struct Piece(ParameterBlock? Block, long Start, nint Address, nint SecondAddress, bool Low, long Count)
    {
        public void* Gradient => (void*)Address;

        // Null when there is none.
        public void* Second => (void*)SecondAddress;
    }

    // Pieces of at most 64K elements; their borders do not depend on the number of threads, so neither does any sum.
    private List<Piece> Gradients(WordRows words, out float* wordGradient)
    {
        var pieces = new List<Piece>();
        void Cut(ParameterBlock? block, Tensor gradient, Tensor? second, long count)
        {
            var low = gradient.dtype == ScalarType.BFloat16;
            var address = (nint)ParameterStore.Pointer(gradient);
            var secondAddress = second is null ? 0 : (nint)ParameterStore.Pointer(second);
            for (long start = 0; start < count; start += ChunkLength)
            {
                var offset = (nint)(start * (low ? 2 : 4));
                pieces.Add(new Piece(block, start, address + offset, second is null ? 0 : secondAddress + offset, low, Math.Min(ChunkLength, count - start)));
            }
        }

        foreach (var block in _store.Blocks)
        {
            if (block.Leaf.grad is { } gradient)
                Cut(block, gradient.contiguous(), block.SecondGradient?.contiguous(), block.Length);
        }

        var rows = words.Leaf.grad!.contiguous();
        wordGradient = (float*)ParameterStore.Pointer(rows);

        // The padding row takes no gradient, as in nn.Embedding with padding_idx; it is always the first here.
        new Span<float>(wordGradient, _store.Config.HiddenSize).Clear();
        Cut(null, rows, null, rows.NumberOfElements);
        return pieces;
    }
}
