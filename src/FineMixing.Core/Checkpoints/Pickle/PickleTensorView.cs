using System.Buffers;
using System.Collections.Immutable;

namespace FineMixing.Checkpoints.Pickle;

/// <summary>A tensor of a PyTorch file, checked against the bytes it looks at.</summary>
internal sealed class PickleTensorView
{
    private const int BlockBytes = 128 << 10;

    // From this distance on, single elements cost less to read than the block around each.
    private const int FarBytes = 4 << 10;

    private readonly ByteSource _source;
    private readonly long _begin;
    private readonly int _elementBytes;
    private readonly long[] _strides;

    private PickleTensorView(TensorInfo info, ByteSource source, long begin, long[] strides)
    {
        Info = info;
        _source = source;
        _begin = begin;
        _strides = strides;
        _elementBytes = info.DType.BitSize() / 8;
        IsContiguous = CountsAsContiguous(info.Shape, strides);
    }

    /// <summary>Name, type and shape.</summary>
    public TensorInfo Info { get; }

    /// <summary>True when the elements lie in the file as they are read: row-major without gaps.</summary>
    public bool IsContiguous { get; }

    /// <summary>Checks that every element lies within the storage.</summary>
    /// <exception cref="CheckpointFormatException">One does not, or the sizes overflow.</exception>
    public static PickleTensorView Create(string name, PickleTensor tensor, ByteSource source, ZipEntry storage)
    {
        CheckpointFormatException Broken(string reason, Exception? cause = null) => new(reason, source.Name, tensor: name, innerException: cause);
        var elementBytes = tensor.DType.BitSize() / 8;
        if (tensor.Storage.ByteLength > storage.Length || storage.Length - tensor.Storage.ByteLength >= elementBytes)
            throw Broken($"its storage is stated as {tensor.Storage.ByteLength} bytes; the file holds {storage.Length}");
        TensorInfo info;
        try
        {
            info = new TensorInfo(name, tensor.DType, [.. tensor.Shape]);
        }
        catch (ArgumentException exception)
        {
            throw Broken(exception.Message, exception);
        }

        // Number caps every factor at 48 bits and Rank the summands at 16, so 128 bits cannot overflow.
        Int128 last = tensor.Offset;
        for (var i = 0; i < tensor.Shape.Length; i++)
            last += (Int128)(tensor.Shape[i] - 1) * tensor.Strides[i];
        var elements = storage.Length / elementBytes;
        if (info.ElementCount > 0 && last >= elements)
            throw Broken($"its last element is number {last} of a storage of {elements} (offset {tensor.Offset}, shape {info.ShapeText}, strides [{string.Join(", ", tensor.Strides)}])");
        return new PickleTensorView(info, source, info.ElementCount == 0 ? storage.Offset : storage.Offset + (tensor.Offset * elementBytes), tensor.Strides);
    }

    /// <summary>Reads part of a contiguous tensor.</summary>
    public void ReadContiguous(long byteOffset, Span<byte> destination) => _source.Read(_begin + byteOffset, destination);

    /// <summary>Reads a strided, transposed or expanded tensor into row-major order.</summary>
    /// <remarks>The dimension with the longest stride is the outermost loop, so that the file is read from front to back.</remarks>
    public void ReadStrided(Span<byte> destination)
    {
        if (destination.IsEmpty)
            return;
        var rank = Info.Shape.Length;
        var rowMajor = new long[rank];
        for (long i = rank - 1, step = 1; i >= 0; step *= Info.Shape[(int)i--])
            rowMajor[i] = step;
        var order = Enumerable.Range(0, rank).Where(i => Info.Shape[i] > 1).OrderByDescending(i => _strides[i]).ToArray();
        var counter = new long[order.Length];
        var near = order.Length == 0 || _strides[order[^1]] * _elementBytes < FarBytes;
        var window = ArrayPool<byte>.Shared.Rent(near ? BlockBytes : _elementBytes);
        try
        {
            long windowBegin = 0, windowEnd = 0, from = _begin, to = 0;
            while (true)
            {
                if (from < windowBegin || from + _elementBytes > windowEnd)
                {
                    windowBegin = from;
                    windowEnd = near ? Math.Min(from + BlockBytes, _source.Length) : from + _elementBytes;
                    _source.Read(windowBegin, window.AsSpan(0, (int)(windowEnd - windowBegin)));
                }

                window.AsSpan((int)(from - windowBegin), _elementBytes).CopyTo(destination[(int)to..]);

                var d = order.Length - 1;
                for (; d >= 0; d--)
                {
                    var dimension = order[d];
                    from += _strides[dimension] * _elementBytes;
                    to += rowMajor[dimension] * _elementBytes;
                    if (++counter[d] < Info.Shape[dimension])
                        break;
                    from -= Info.Shape[dimension] * _strides[dimension] * _elementBytes;
                    to -= Info.Shape[dimension] * rowMajor[dimension] * _elementBytes;
                    counter[d] = 0;
                }

                if (d < 0)
                    return;
            }
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(window);
        }
    }

    private static bool CountsAsContiguous(ImmutableArray<long> shape, long[] strides)
    {
        if (shape.Contains(0))
            return true;
        long expected = 1;
        for (var i = shape.Length - 1; i >= 0; i--)
        {
            if (shape[i] == 1)
                continue;
            if (strides[i] != expected)
                return false;
            expected *= shape[i];
        }

        return true;
    }
}
