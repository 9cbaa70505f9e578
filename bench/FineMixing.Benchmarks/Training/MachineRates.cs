using FineMixing.Benchmarks.Kernels;
using TorchSharp;
using static TorchSharp.torch;

namespace FineMixing.Benchmarks.Training;

/// <summary>What the machine itself can do: products of large square matrices.</summary>
internal sealed class MatrixPeak : IDisposable
{
    private const int Size = 2048;
    private readonly Tensor _a;
    private readonly Tensor _b;

    public MatrixPeak(ScalarType type, Device? device = null)
    {
        using var scope = NewDisposeScope();
        Tensor Matrix() => rand(Size, Size).to(type).to(device ?? CPU).DetachFromDisposeScope();
        (_a, _b) = (Matrix(), Matrix());
    }

    /// <summary>As many products as hold this many floating-point operations.</summary>
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

/// <summary>What the machine itself can do: copying memory with several threads.</summary>
internal sealed class CopyRate(long bytes, int threads) : IDisposable
{
    private readonly Memory _source = new(bytes, 1);
    private readonly Memory _target = new(bytes, 2);

    /// <summary>Reads and writes this many bytes in all, half of them each.</summary>
    public void Run(long traffic)
    {
        for (var left = traffic / 2; left > 0; left -= bytes)
        {
            var part = Math.Min(left, bytes);
            _target.Chunks(threads, (start, count) =>
            {
                if (start < part)
                    _source.Span(start, count).CopyTo(_target.Span(start, count));
            });
        }
    }

    public void Dispose()
    {
        _source.Dispose();
        _target.Dispose();
    }
}
