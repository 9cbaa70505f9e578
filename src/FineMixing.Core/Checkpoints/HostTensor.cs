using System.Collections.Immutable;
using System.Numerics.Tensors;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;

namespace FineMixing.Checkpoints;

/// <summary>A tensor in managed memory: its description and its little-endian, row-major bytes.</summary>
public sealed class HostTensor
{
    /// <summary>Wraps bytes; they are not copied.</summary>
    /// <exception cref="ArgumentException">The number of bytes is not what type and shape require.</exception>
    public HostTensor(TensorInfo info, byte[] bytes)
    {
        ArgumentNullException.ThrowIfNull(info);
        ArgumentNullException.ThrowIfNull(bytes);
        if (bytes.LongLength != info.ByteLength)
            throw new ArgumentException($"Tensor {info} needs {info.ByteLength} bytes, not {bytes.LongLength}.", nameof(bytes));
        Info = info;
        Bytes = bytes;
    }

    /// <summary>Name, type and shape.</summary>
    public TensorInfo Info { get; }

    /// <summary>The values; owned by this object and mutable.</summary>
    public byte[] Bytes { get; }

    /// <summary>A new tensor of the given values.</summary>
    public static HostTensor FromFloat32(string name, ImmutableArray<long> shape, ReadOnlySpan<float> values)
    {
        var info = new TensorInfo(name, DType.F32, shape);
        if (values.Length != info.ElementCount)
            throw new ArgumentException($"Tensor '{name}' {info.ShapeText} needs {info.ElementCount} values, not {values.Length}.", nameof(values));
        return new HostTensor(info, MemoryMarshal.AsBytes(values).ToArray());
    }

    /// <summary>The values in single precision (a new array).</summary>
    /// <exception cref="NotSupportedException">The element type is not F32, F16, BF16 or F64.</exception>
    public float[] ToFloat32()
    {
        var values = new float[checked((int)Info.ElementCount)];
        FloatConversion.ToFloat32(Info.DType, Bytes, values);
        return values;
    }

    /// <summary>The same values in another floating-point type (rounded to nearest, ties to even); this object when the type is already right.</summary>
    public HostTensor ConvertTo(DType dtype)
    {
        if (dtype == Info.DType)
            return this;
        var info = Info.WithDType(dtype);
        var bytes = new byte[info.ByteLength];
        FloatConversion.FromFloat32(dtype, ToFloat32(), bytes);
        return new HostTensor(info, bytes);
    }
}

/// <summary>Conversion of raw tensor bytes to and from single precision.</summary>
public static class FloatConversion
{
    /// <summary>Widens F16, BF16, F32 or narrows F64 values.</summary>
    public static void ToFloat32(DType dtype, ReadOnlySpan<byte> source, Span<float> destination)
    {
        switch (dtype)
        {
            case DType.F32:
                MemoryMarshal.Cast<byte, float>(source).CopyTo(destination);
                break;
            case DType.F16:
                TensorPrimitives.ConvertToSingle(MemoryMarshal.Cast<byte, Half>(source), destination);
                break;
            case DType.BF16:
                var upper = MemoryMarshal.Cast<byte, ushort>(source);
                FromBFloat16(upper, destination[..upper.Length]);
                break;
            case DType.F64:
                TensorPrimitives.ConvertTruncating<double, float>(MemoryMarshal.Cast<byte, double>(source), destination);
                break;
            default:
                throw new NotSupportedException($"{dtype.SafetensorsName()} values cannot be read as numbers here; F32, F16, BF16 and F64 can.");
        }
    }

    /// <summary>Narrows doubles on the way to F16 or BF16: what is cut off leaves the last bit set, so that rounding again gives what rounding once would (Boldo and Melquiond 2008, "Emulation of FMA and correctly rounded sums: proved algorithms using rounding to odd").</summary>
    internal static void NarrowToOdd(ReadOnlySpan<double> source, Span<float> destination)
    {
        for (var i = 0; i < source.Length; i++)
        {
            var nearest = (float)source[i];
            if (double.IsFinite(source[i]) && nearest != source[i])
            {
                var below = Math.Abs((double)nearest) > Math.Abs(source[i]) ? BitConverter.SingleToUInt32Bits(nearest) - 1 : BitConverter.SingleToUInt32Bits(nearest);
                nearest = BitConverter.UInt32BitsToSingle(below | 1);
            }

            destination[i] = nearest;
        }
    }

    /// <summary>Rounds single-precision values to F16, BF16 (nearest, ties to even), or copies or widens them.</summary>
    public static void FromFloat32(DType dtype, ReadOnlySpan<float> source, Span<byte> destination)
    {
        switch (dtype)
        {
            case DType.F32:
                source.CopyTo(MemoryMarshal.Cast<byte, float>(destination));
                break;
            case DType.F16:
                TensorPrimitives.ConvertToHalf(source, MemoryMarshal.Cast<byte, Half>(destination));
                break;
            case DType.BF16:
                ToBFloat16(source, MemoryMarshal.Cast<byte, ushort>(destination)[..source.Length]);
                break;
            case DType.F64:
                TensorPrimitives.ConvertTruncating<float, double>(source, MemoryMarshal.Cast<byte, double>(destination));
                break;
            default:
                throw new NotSupportedException($"Numbers cannot be written as {dtype.SafetensorsName()} here; F32, F16, BF16 and F64 can.");
        }
    }

    /// <summary>The bits of the nearest bfloat16 (ties to even; NaN stays NaN).</summary>
    public static ushort ToBFloat16(float value)
    {
        var bits = BitConverter.SingleToUInt32Bits(value);
        return float.IsNaN(value) ? (ushort)((bits >> 16) | 0x40) : (ushort)((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void FromBFloat16(ReadOnlySpan<ushort> source, Span<float> destination)
    {
        var i = 0;
        if (Vector256.IsHardwareAccelerated)
        {
            ref var from = ref MemoryMarshal.GetReference(source);
            ref var to = ref Unsafe.As<float, uint>(ref MemoryMarshal.GetReference(destination));
            for (; i <= source.Length - 16; i += 16)
            {
                var (lower, upper) = Vector256.Widen(Vector256.LoadUnsafe(ref from, (nuint)i));
                (lower << 16).StoreUnsafe(ref to, (nuint)i);
                (upper << 16).StoreUnsafe(ref to, (nuint)i + 8);
            }
        }

        for (; i < source.Length; i++)
            destination[i] = BitConverter.UInt32BitsToSingle((uint)source[i] << 16);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void ToBFloat16(ReadOnlySpan<float> source, Span<ushort> destination)
    {
        var i = 0;
        if (Vector256.IsHardwareAccelerated)
        {
            ref var from = ref Unsafe.As<float, uint>(ref MemoryMarshal.GetReference(source));
            ref var to = ref MemoryMarshal.GetReference(destination);
            for (; i <= source.Length - 16; i += 16)
                Vector256.Narrow(UpperHalves(Vector256.LoadUnsafe(ref from, (nuint)i)), UpperHalves(Vector256.LoadUnsafe(ref from, (nuint)i + 8))).StoreUnsafe(ref to, (nuint)i);
        }

        for (; i < source.Length; i++)
            destination[i] = ToBFloat16(source[i]);
    }

    // The rounded values, in the lower halves.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<uint> UpperHalves(Vector256<uint> bits)
    {
        var upper = bits >>> 16;
        var rounded = (bits + Vector256.Create(0x7FFFu) + (upper & Vector256<uint>.One)) >>> 16;
        var isNaN = Vector256.GreaterThan((bits & Vector256.Create(0x7FFFFFFFu)).AsInt32(), Vector256.Create(0x7F800000)).AsUInt32();
        return Vector256.ConditionalSelect(isNaN, upper | Vector256.Create(0x40u), rounded);
    }
}
