using System.Runtime.InteropServices;

namespace FineMixing.Checkpoints;

/// <summary>Reads tensors piece by piece as numbers, in bounded memory.</summary>
internal static class TensorReader
{
    /// <summary>Elements of a piece: small enough that sums within it can be kept in single precision.</summary>
    public const int ChunkElements = 1 << 14;

    // A run of a sample.
    private const int RunElements = 1 << 12;

    /// <summary>True if the type's values can be read as numbers.</summary>
    public static bool IsNumeric(DType dtype) => dtype is not (DType.C64 or DType.F8E4M3 or DType.F8E5M2 or DType.F8E8M0 or DType.F6E2M3 or DType.F6E3M2 or DType.F4);

    /// <summary>Calls back with the tensor's values in single precision, piece by piece; F16, BF16, F32, F64 only.</summary>
    public static void ForEachChunk(ICheckpoint checkpoint, TensorInfo tensor, Action<ReadOnlySpan<float>> visit, CancellationToken cancellationToken)
    {
        var bytes = new byte[ChunkElements * tensor.DType.BitSize() / 8];
        var values = new float[ChunkElements];
        for (long done = 0; done < tensor.ElementCount; done += ChunkElements)
        {
            cancellationToken.ThrowIfCancellationRequested();
            visit(Fill(checkpoint, tensor, done, ChunkElements, bytes, values));
        }
    }

    /// <summary>Calls back with pieces of two tensors of equal shape, in single precision: all, or at most so many short runs at equal distances. The buffers serve the next pair again.</summary>
    public static void ForEachChunk(ICheckpoint checkpoint1, TensorInfo tensor1, ICheckpoint checkpoint2, TensorInfo tensor2, long mostRuns, PairBuffers buffers, Action<ReadOnlySpan<float>, ReadOnlySpan<float>> visit, CancellationToken cancellationToken)
    {
        var whole = tensor1.ElementCount / RunElements <= mostRuns;
        var length = whole ? ChunkElements : RunElements;
        var step = whole ? ChunkElements : (tensor1.ElementCount - RunElements) / (mostRuns - 1);
        var (bytes1, bytes2) = (buffers.First(length * tensor1.DType.BitSize() / 8), buffers.Second(length * tensor2.DType.BitSize() / 8));
        for (long start = 0; start < tensor1.ElementCount && (whole || start <= tensor1.ElementCount - RunElements); start += step)
        {
            cancellationToken.ThrowIfCancellationRequested();
            visit(Fill(checkpoint1, tensor1, start, length, bytes1, buffers.FirstValues), Fill(checkpoint2, tensor2, start, length, bytes2, buffers.SecondValues));
        }
    }

    /// <summary>Calls back with the tensor's values in double precision, piece by piece; every numeric type.</summary>
    public static void ForEachChunk(ICheckpoint checkpoint, TensorInfo tensor, Action<ReadOnlySpan<double>> visit, CancellationToken cancellationToken)
    {
        var size = tensor.DType.BitSize() / 8;
        var bytes = new byte[ChunkElements * size];
        var values = new double[ChunkElements];
        for (long done = 0; done < tensor.ElementCount; done += ChunkElements)
        {
            cancellationToken.ThrowIfCancellationRequested();
            var count = (int)Math.Min(ChunkElements, tensor.ElementCount - done);
            var raw = bytes.AsSpan(0, count * size);
            checkpoint.Read(tensor, done * size, raw);
            Widen(tensor.DType, raw, values);
            visit(values.AsSpan(0, count));
        }
    }

    private static ReadOnlySpan<float> Fill(ICheckpoint checkpoint, TensorInfo tensor, long first, int length, byte[] bytes, float[] values)
    {
        var size = tensor.DType.BitSize() / 8;
        var count = (int)Math.Min(length, tensor.ElementCount - first);
        var raw = bytes.AsSpan(0, count * size);
        checkpoint.Read(tensor, first * size, raw);
        FloatConversion.ToFloat32(tensor.DType, raw, values);
        return values.AsSpan(0, count);
    }

    /// <summary>What reading pairs of tensors needs.</summary>
    public sealed class PairBuffers
    {
        private byte[] _first = [];
        private byte[] _second = [];

        public float[] FirstValues { get; } = new float[ChunkElements];

        public float[] SecondValues { get; } = new float[ChunkElements];

        public byte[] First(int length) => _first = AtLeast(_first, length);

        public byte[] Second(int length) => _second = AtLeast(_second, length);

        private static byte[] AtLeast(byte[] buffer, int length) => buffer.Length >= length ? buffer : new byte[length];
    }

    private static void Widen(DType dtype, ReadOnlySpan<byte> raw, Span<double> values)
    {
        switch (dtype)
        {
            case DType.F64:
                MemoryMarshal.Cast<byte, double>(raw).CopyTo(values);
                break;
            case DType.Bool or DType.U8:
                Widen<byte>(raw, values);
                break;
            case DType.I8:
                Widen<sbyte>(raw, values);
                break;
            case DType.I16:
                Widen<short>(raw, values);
                break;
            case DType.U16:
                Widen<ushort>(raw, values);
                break;
            case DType.I32:
                Widen<int>(raw, values);
                break;
            case DType.U32:
                Widen<uint>(raw, values);
                break;
            case DType.I64:
                Widen<long>(raw, values);
                break;
            case DType.U64:
                Widen<ulong>(raw, values);
                break;
            default:
                throw new NotSupportedException($"{dtype.SafetensorsName()} values cannot be read as numbers.");
        }
    }

    private static void Widen<T>(ReadOnlySpan<byte> raw, Span<double> values)
        where T : unmanaged, System.Numerics.INumber<T>
    {
        var source = MemoryMarshal.Cast<byte, T>(raw);
        for (var i = 0; i < source.Length; i++)
            values[i] = double.CreateTruncating(source[i]);
    }
}
