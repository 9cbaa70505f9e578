using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;
using FineMixing.Checkpoints;

namespace FineMixing.Purification;

/// <summary>Sums over two embedding rows of any two element types in one pass.</summary>
/// <remarks>
/// Element i always goes to the sum i mod 16, without fused operations, and the 16 sums are added in order: the result is the same bit for bit
/// for every vector width and however the rows are divided among threads.
/// </remarks>
internal static partial class EmbeddingDrift
{
    private const int Lanes = 16;

    private delegate double RowSum(ReadOnlySpan<byte> x, ReadOnlySpan<byte> y, int columns, float scale);

    /// <summary>||x - scale * y||^2 for one row; NaN or infinity when a value is not finite.</summary>
    public static double SquaredDistance(DType xType, ReadOnlySpan<byte> x, DType yType, ReadOnlySpan<byte> y, int columns, float scale = 1) =>
        Choose(xType, yType)(x, y, columns, scale);

    /// <summary>The squared distances of consecutive rows: unscaled, both in single or both in half precision within 1e-6 of <see cref="SquaredDistance"/> (relative), otherwise equal to it.</summary>
    public static void SquaredDistances(DType xType, ReadOnlySpan<byte> x, DType yType, ReadOnlySpan<byte> y, int columns, float scale, Span<double> result)
    {
        var exact = Choose(xType, yType);
        var sum = scale == 1 ? ChooseFast(xType, yType) : null;
        var xSize = columns * (xType.BitSize() / 8);
        var ySize = columns * (yType.BitSize() / 8);
        for (var row = 0; row < result.Length; row++)
        {
            var xs = x.Slice(row * xSize, xSize);
            var ys = y.Slice(row * ySize, ySize);
            if (sum is null || !sum(xs, ys, columns, out result[row]))
                result[row] = exact(xs, ys, columns, scale);
        }
    }

    private static RowSum Choose(DType x, DType y) => (x, y) switch
    {
        (DType.F32, DType.F32) => Sum<F32, F32>,
        (DType.F32, DType.BF16) => Sum<F32, BF16>,
        (DType.F32, DType.F16) => Sum<F32, F16>,
        (DType.BF16, DType.F32) => Sum<BF16, F32>,
        (DType.BF16, DType.BF16) => Sum<BF16, BF16>,
        (DType.BF16, DType.F16) => Sum<BF16, F16>,
        (DType.F16, DType.F32) => Sum<F16, F32>,
        (DType.F16, DType.BF16) => Sum<F16, BF16>,
        (DType.F16, DType.F16) => Sum<F16, F16>,
        _ => (xs, ys, columns, scale) => SumConverted(x, xs, y, ys, columns, scale),
    };

    // F64 is rare in embeddings: converted first.
    private static double SumConverted(DType x, ReadOnlySpan<byte> xs, DType y, ReadOnlySpan<byte> ys, int columns, float scale)
    {
        var a = new float[columns];
        var b = new float[columns];
        FloatConversion.ToFloat32(x, xs, a);
        FloatConversion.ToFloat32(y, ys, b);
        return Sum<F32, F32>(MemoryMarshal.AsBytes(a.AsSpan()), MemoryMarshal.AsBytes(b.AsSpan()), columns, scale);
    }

    private static double Sum<TX, TY>(ReadOnlySpan<byte> xs, ReadOnlySpan<byte> ys, int columns, float scale)
        where TX : IElement
        where TY : IElement
    {
        if (xs.Length < columns * TX.Size || ys.Length < columns * TY.Size)
            throw new ArgumentException("A row is shorter than the number of columns.", nameof(xs));
        ref readonly var x = ref MemoryMarshal.GetReference(xs);
        ref readonly var y = ref MemoryMarshal.GetReference(ys);
        Span<double> sums = stackalloc double[Lanes];
        var i = 0;
        if (Vector512.IsHardwareAccelerated)
        {
            var factor = Vector512.Create((double)scale);
            Vector512<double> lower = default, upper = default;
            for (; i <= columns - Lanes; i += Lanes)
            {
                var (x0, x1) = Vector512.Widen(TX.Load512(in x, i));
                var (y0, y1) = Vector512.Widen(TY.Load512(in y, i));
                x0 -= y0 * factor;
                x1 -= y1 * factor;
                lower += x0 * x0;
                upper += x1 * x1;
            }

            lower.CopyTo(sums);
            upper.CopyTo(sums[8..]);
        }
        else
        {
            var factor = Vector256.Create((double)scale);
            Vector256<double> s0 = default, s1 = default, s2 = default, s3 = default;
            for (; i <= columns - Lanes; i += Lanes)
            {
                var (x0, x1) = Vector256.Widen(TX.Load256(in x, i));
                var (x2, x3) = Vector256.Widen(TX.Load256(in x, i + 8));
                var (y0, y1) = Vector256.Widen(TY.Load256(in y, i));
                var (y2, y3) = Vector256.Widen(TY.Load256(in y, i + 8));
                x0 -= y0 * factor;
                x1 -= y1 * factor;
                x2 -= y2 * factor;
                x3 -= y3 * factor;
                s0 += x0 * x0;
                s1 += x1 * x1;
                s2 += x2 * x2;
                s3 += x3 * x3;
            }

            s0.CopyTo(sums);
            s1.CopyTo(sums[4..]);
            s2.CopyTo(sums[8..]);
            s3.CopyTo(sums[12..]);
        }

        for (var lane = 0; i < columns; i++, lane++)
        {
            var difference = TX.Load(in x, i) - (TY.Load(in y, i) * (double)scale);
            sums[lane] += difference * difference;
        }

        return Total(sums);
    }

    /// <summary>How elements of a type are read as single precision.</summary>
    private interface IElement
    {
        static abstract int Size { get; }

        static abstract Vector512<float> Load512(ref readonly byte row, int index);

        static abstract Vector256<float> Load256(ref readonly byte row, int index);

        static abstract double Load(ref readonly byte row, int index);
    }

    private readonly struct F32 : IElement
    {
        public static int Size => sizeof(float);

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public static Vector512<float> Load512(ref readonly byte row, int index) => Unsafe.ReadUnaligned<Vector512<float>>(in Unsafe.Add(ref Unsafe.AsRef(in row), index * sizeof(float)));

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public static Vector256<float> Load256(ref readonly byte row, int index) => Unsafe.ReadUnaligned<Vector256<float>>(in Unsafe.Add(ref Unsafe.AsRef(in row), index * sizeof(float)));

        public static double Load(ref readonly byte row, int index) => Unsafe.ReadUnaligned<float>(in Unsafe.Add(ref Unsafe.AsRef(in row), index * sizeof(float)));
    }

    /// <summary>How two elements of half precision that lie in 32 bits become single precision: no shuffle is needed.</summary>
    private interface IHalf : IElement
    {
        static abstract (Vector512<float> Even, Vector512<float> Odd) Split(Vector512<uint> pairs);

        static abstract (Vector256<float> Even, Vector256<float> Odd) Split(Vector256<uint> pairs);
    }

    private readonly struct BF16 : IHalf
    {
        // The upper one is a single-precision number but for the lower bits.
        private const uint Upper = 0xFFFF0000;

        public static int Size => sizeof(ushort);

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public static (Vector512<float> Even, Vector512<float> Odd) Split(Vector512<uint> pairs) => ((pairs << 16).AsSingle(), (pairs & Vector512.Create(Upper)).AsSingle());

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public static (Vector256<float> Even, Vector256<float> Odd) Split(Vector256<uint> pairs) => ((pairs << 16).AsSingle(), (pairs & Vector256.Create(Upper)).AsSingle());

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public static Vector512<float> Load512(ref readonly byte row, int index)
        {
            var bits = Unsafe.ReadUnaligned<Vector256<ushort>>(in Unsafe.Add(ref Unsafe.AsRef(in row), index * sizeof(ushort)));
            return (Vector512.WidenLower(bits.ToVector512Unsafe()) << 16).AsSingle();
        }

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public static Vector256<float> Load256(ref readonly byte row, int index)
        {
            var bits = Unsafe.ReadUnaligned<Vector128<ushort>>(in Unsafe.Add(ref Unsafe.AsRef(in row), index * sizeof(ushort)));
            return (Vector256.WidenLower(bits.ToVector256Unsafe()) << 16).AsSingle();
        }

        public static double Load(ref readonly byte row, int index) => BitConverter.UInt32BitsToSingle((uint)Unsafe.ReadUnaligned<ushort>(in Unsafe.Add(ref Unsafe.AsRef(in row), index * sizeof(ushort))) << 16);
    }

    private readonly struct F16 : IHalf
    {
        // Sign, exponent and mantissa are moved to their places in single precision, and the exponent by the difference of the biases.
        private const uint SignAndMagnitude = 0x80000000u | Magnitude;
        private const uint Magnitude = 0x7FFFu << 13;
        private const uint Bias = (127u - 15) << 23;
        private const uint LeadingOne = 1u << 23;
        private const uint LargestFinite = 0x7BFFu << 13;

        // In 16 bits: one more than an exponent of 0 or 31, which mean something else, has none of these bits; one more than any other has.
        private const ushort One = 1 << 10;
        private const ushort Usual = 0x1E << 10;

        public static int Size => sizeof(ushort);

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public static Vector512<float> Load512(ref readonly byte row, int index)
        {
            var half = Unsafe.ReadUnaligned<Vector256<short>>(in Unsafe.Add(ref Unsafe.AsRef(in row), index * sizeof(ushort)));
            return Convert((Vector512.WidenLower(half.ToVector512Unsafe()).AsUInt32() << 13) & Vector512.Create(SignAndMagnitude));
        }

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public static Vector256<float> Load256(ref readonly byte row, int index)
        {
            var half = Unsafe.ReadUnaligned<Vector128<short>>(in Unsafe.Add(ref Unsafe.AsRef(in row), index * sizeof(ushort)));
            return Convert((Vector256.WidenLower(half.ToVector256Unsafe()).AsUInt32() << 13) & Vector256.Create(SignAndMagnitude));
        }

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public static (Vector512<float> Even, Vector512<float> Odd) Split(Vector512<uint> pairs)
        {
            var even = ((pairs << 16).AsInt32() >> 3).AsUInt32() & Vector512.Create(SignAndMagnitude);
            var odd = (pairs.AsInt32() >> 3).AsUInt32() & Vector512.Create(SignAndMagnitude);
            return Vector512.EqualsAny((pairs.AsUInt16() + Vector512.Create(One)) & Vector512.Create(Usual), Vector512<ushort>.Zero)
                ? (Convert(even), Convert(odd))
                : ((even + Vector512.Create(Bias)).AsSingle(), (odd + Vector512.Create(Bias)).AsSingle());
        }

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public static (Vector256<float> Even, Vector256<float> Odd) Split(Vector256<uint> pairs)
        {
            var even = ((pairs << 16).AsInt32() >> 3).AsUInt32() & Vector256.Create(SignAndMagnitude);
            var odd = (pairs.AsInt32() >> 3).AsUInt32() & Vector256.Create(SignAndMagnitude);
            return Vector256.EqualsAny((pairs.AsUInt16() + Vector256.Create(One)) & Vector256.Create(Usual), Vector256<ushort>.Zero)
                ? (Convert(even), Convert(odd))
                : ((even + Vector256.Create(Bias)).AsSingle(), (odd + Vector256.Create(Bias)).AsSingle());
        }

        // Subnormal numbers have no leading 1: they get one, and it is subtracted again (multiplying by a power of two would do, but subnormal operands are slow). An exponent of 31 is NaN or infinity: either becomes NaN.
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        private static Vector512<float> Convert(Vector512<uint> moved)
        {
            var magnitude = moved & Vector512.Create(Magnitude);
            var subnormal = (magnitude + Vector512.Create(Bias + LeadingOne)).AsSingle() - Vector512.Create(Bias + LeadingOne).AsSingle();
            var value = Vector512.ConditionalSelect(Vector512.LessThan(magnitude, Vector512.Create(LeadingOne)), subnormal.AsUInt32(), magnitude + Vector512.Create(Bias));
            var special = Vector512.GreaterThan(magnitude, Vector512.Create(LargestFinite)) & Vector512.Create(0x7FC00000u);
            return (value | (moved & Vector512.Create(~Magnitude)) | special).AsSingle();
        }

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        private static Vector256<float> Convert(Vector256<uint> moved)
        {
            var magnitude = moved & Vector256.Create(Magnitude);
            var subnormal = (magnitude + Vector256.Create(Bias + LeadingOne)).AsSingle() - Vector256.Create(Bias + LeadingOne).AsSingle();
            var value = Vector256.ConditionalSelect(Vector256.LessThan(magnitude, Vector256.Create(LeadingOne)), subnormal.AsUInt32(), magnitude + Vector256.Create(Bias));
            var special = Vector256.GreaterThan(magnitude, Vector256.Create(LargestFinite)) & Vector256.Create(0x7FC00000u);
            return (value | (moved & Vector256.Create(~Magnitude)) | special).AsSingle();
        }

        public static double Load(ref readonly byte row, int index) => (double)Unsafe.ReadUnaligned<Half>(in Unsafe.Add(ref Unsafe.AsRef(in row), index * sizeof(ushort)));
    }
}
