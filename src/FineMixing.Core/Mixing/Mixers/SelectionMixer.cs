using System.Buffers;
using System.Runtime.InteropServices;
using FineMixing.Checkpoints;

namespace FineMixing.Mixing.Mixers;

/// <summary>Shared by the mixers that keep some values of the suspect and take the others from the base.</summary>
internal static class SelectionMixer
{
    /// <summary>The base's values in the suspect's element type: the bytes themselves, or converted once into a rented buffer.</summary>
    public static ReadOnlyMemory<byte> BaseAs(DType dtype, MixSource @base, out byte[]? rented)
    {
        rented = null;
        if (@base.DType == dtype)
            return @base.Bytes;
        var count = @base.Bytes.Length / (@base.DType.BitSize() / 8);
        var size = count * (dtype.BitSize() / 8);
        rented = ArrayPool<byte>.Shared.Rent(size);
        var floats = ArrayPool<float>.Shared.Rent(count);
        if (@base.DType == DType.F64 && dtype != DType.F32)
            FloatConversion.NarrowToOdd(MemoryMarshal.Cast<byte, double>(@base.Bytes.Span), floats.AsSpan(0, count));
        else
            FloatConversion.ToFloat32(@base.DType, @base.Bytes.Span, floats.AsSpan(0, count));
        FloatConversion.FromFloat32(dtype, floats.AsSpan(0, count), rented.AsSpan(0, size));
        ArrayPool<float>.Shared.Return(floats);
        return rented.AsMemory(0, size);
    }

    /// <summary>Writes the base's values in the suspect's element type.</summary>
    public static void CopyBase(DType dtype, MixSource @base, Span<byte> destination)
    {
        BaseAs(dtype, @base, out var rented).Span.CopyTo(destination);
        if (rented is not null)
            ArrayPool<byte>.Shared.Return(rented);
    }
}

/// <summary>Selects by a mask that is known for the whole tensor, one bit an element.</summary>
internal sealed class BitmapTensorMixer(DType dtype, ulong[] kept) : ITensorMixer
{
    public long? CountKept() => kept.Sum(word => (long)System.Numerics.BitOperations.PopCount(word));

    public void Mix(long start, MixInputs inputs, Span<byte> destination)
    {
        var @base = SelectionMixer.BaseAs(dtype, inputs.Base, out var rented);
        var size = dtype.BitSize() / 8;
        var count = destination.Length / size;
        Span<ushort> lanes = stackalloc ushort[MaskKernels.BlockElements];
        for (var done = 0; done < count; done += lanes.Length)
        {
            var block = Math.Min(lanes.Length, count - done);
            for (var i = 0; i < block; i++)
            {
                var index = start + done + i;
                lanes[i] = (kept[index / 64] >> (int)(index % 64) & 1) != 0 ? ushort.MaxValue : (ushort)0;
            }

            SelectionKernels.Select(lanes[..block], size, inputs.Suspect.Bytes.Span.Slice(done * size, block * size), @base.Span.Slice(done * size, block * size), destination.Slice(done * size, block * size));
        }

        if (rented is not null)
            ArrayPool<byte>.Shared.Return(rented);
    }
}
