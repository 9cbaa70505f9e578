using System.Runtime.InteropServices;

namespace FineMixing.Torch.FineTuning;

/// <summary>
/// AdamW over an embedding matrix of which each batch touches few rows: the others are brought up to date when they next appear.
/// </summary>
/// <remarks>
/// Equal to the dense update: a row that was never touched only decays; a touched row replays the steps it missed, with a zero gradient.
/// After <see cref="ReplayLimit"/> missed steps the first moment is below 1e-9 of what it was, so the rest of the gap is closed by powers.
/// </remarks>
internal sealed unsafe class LazyRowAdamW : IDisposable
{
    private const int ReplayLimit = 200;
    private readonly float* _rows;
    private readonly ParallelOptions _parallel;
    private readonly int _width;
    private readonly long _bytes;
    private int[] _done;
    private bool[] _touched;
    private readonly float* _first;
    private readonly float* _second;
    private List<AdamWStep> _steps = [default];
    private List<double> _decay = [1.0];

    /// <param name="rows">The matrix, row after row.</param>
    /// <param name="count">Rows.</param>
    /// <param name="width">Elements in a row.</param>
    /// <param name="threads">Most threads; rows do not depend on each other.</param>
    public LazyRowAdamW(float* rows, int count, int width, int threads)
    {
        _rows = rows;
        _parallel = new ParallelOptions { MaxDegreeOfParallelism = threads };
        _bytes = (long)count * width * sizeof(float);
        (_width, _done, _touched) = (width, new int[count], new bool[count]);

        // Zeroed pages are committed by the system when first written, so rows that never occur cost no memory.
        _first = (float*)NativeMemory.AllocZeroed((nuint)count * (nuint)width, sizeof(float));
        _second = (float*)NativeMemory.AllocZeroed((nuint)count * (nuint)width, sizeof(float));
    }

    /// <summary>Applies the steps these rows have missed; call before reading them.</summary>
    public void CatchUp(int[] rows) => ForEach(rows.Length, i => CatchUp(rows[i]));

    /// <summary>Takes a step in which these rows, each named once, have the given gradients and all others none.</summary>
    public void Step(int[] rows, float* gradients, AdamWStep step)
    {
        _steps.Add(step);
        _decay.Add(_decay[^1] * step.Decay);
        ForEach(rows.Length, i =>
        {
            var at = (long)rows[i] * _width;
            AdamWKernel.Update(_rows + at, _first + at, _second + at, gradients + ((long)i * _width), secondGradient: null, lowGradient: false, null, _width, step);
            _done[rows[i]] = _steps.Count - 1;
            _touched[rows[i]] = true;
        });
    }

    /// <summary>Describes the state as it is, rows that lag behind included: catching up earlier than needed would round differently.</summary>
    public void Transfer(IStateTransfer transfer)
    {
        _done = transfer.Values("rows.done", _done);
        _touched = transfer.Values("rows.touched", _touched);
        _steps = [.. transfer.Values("rows.steps", _steps.ToArray())];
        _decay = [.. transfer.Values("rows.decay", _decay.ToArray())];
        transfer.Memory("rows.first", _first, _bytes);
        transfer.Memory("rows.second", _second, _bytes);
    }

    /// <summary>Brings all rows up to date; call before saving or evaluating.</summary>
    public void Flush() => ForEach(_done.Length, CatchUp);

    public void Dispose()
    {
        NativeMemory.Free(_first);
        NativeMemory.Free(_second);
    }

    // A few rows at a time: one alone is too little work to hand over.
    private void ForEach(int count, Action<int> visit)
    {
        const int RowsAtOnce = 16;
        Parallel.For(0, (count + RowsAtOnce - 1) / RowsAtOnce, _parallel, part =>
        {
            for (var i = part * RowsAtOnce; i < Math.Min(count, (part + 1) * RowsAtOnce); i++)
                visit(i);
        });
    }

    // Of the steps between two. A product that is zero stays zero.
    private float Decay(int from, int to) => _decay[to] == 0 ? 0 : (float)(_decay[to] / _decay[from]);

    private void CatchUp(int row)
    {
        var (from, to) = (_done[row], _steps.Count - 1);
        if (from == to)
            return;
        _done[row] = to;
        var at = (long)row * _width;
        if (!_touched[row])
        {
            Scale(_rows + at, Decay(from, to));
            return;
        }

        var exact = Math.Min(to, from + ReplayLimit);
        for (var s = from + 1; s <= exact; s++)
            AdamWKernel.Update(_rows + at, _first + at, _second + at, null, secondGradient: null, lowGradient: false, null, _width, _steps[s]);
        if (exact == to)
            return;
        Scale(_rows + at, Decay(exact, to));
        Scale(_first + at, (float)Math.Pow(AdamWStep.Beta1, to - exact));
        Scale(_second + at, (float)Math.Pow(AdamWStep.Beta2, to - exact));
    }

    private void Scale(float* values, float factor)
    {
        for (var i = 0; i < _width; i++)
            values[i] *= factor;
    }
}
