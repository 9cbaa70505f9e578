using System.Runtime.InteropServices;
using FineMixing.Checkpoints;

namespace FineMixing.Mixing.Mixers;

/// <summary>A model's values in single precision: its bytes themselves where they are that already, a copy otherwise.</summary>
internal readonly struct SingleValues
{
    private readonly ReadOnlyMemory<byte> _bytes;
    private readonly ReadOnlyMemory<float> _copy;

    /// <param name="source">The values; empty for a model that is not used.</param>
    /// <param name="memory">Gives memory for so many values.</param>
    public SingleValues(MixSource source, Func<int, Memory<float>> memory)
    {
        if (source.DType == DType.F32 || source.Bytes.IsEmpty)
        {
            _bytes = source.Bytes;
            return;
        }

        var copy = memory((int)(source.Bytes.Length * 8L / source.DType.BitSize()));
        FloatConversion.ToFloat32(source.DType, source.Bytes.Span, copy.Span);
        _copy = copy;
    }

    /// <summary>The values.</summary>
    public ReadOnlySpan<float> Span => _copy.IsEmpty ? MemoryMarshal.Cast<byte, float>(_bytes.Span) : _copy.Span;

    /// <summary>How many.</summary>
    public int Length => _copy.IsEmpty ? _bytes.Length / sizeof(float) : _copy.Length;
}
