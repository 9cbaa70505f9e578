using FineMixing.Checkpoints;
using FineMixing.Checkpoints.Safetensors;

namespace FineMixing.Mixing;

/// <summary>A run of elements of one tensor and its place in a file.</summary>
/// <param name="Tensor">Name, type and shape.</param>
/// <param name="Start">The index of the first element.</param>
/// <param name="Count">How many.</param>
/// <param name="Offset">Where it begins in the file, in bytes.</param>
internal readonly record struct FilePiece(TensorInfo Tensor, long Start, long Count, long Offset)
{
    public long Length => Count * Tensor.DType.BitSize() / 8;

    public long End => Offset + Length;
}

/// <summary>Divides a file among threads by windows of equal size that begin at multiples of it, whatever tensors lie in them.</summary>
/// <remarks>The system keeps such a window in one large page and is asked for it once; a write for each end of a tensor, in the middle of a page, takes a third longer.</remarks>
internal static class FileWindows
{
    /// <summary>Cuts tensors where windows begin, between two elements.</summary>
    /// <param name="entries">The tensors and where they begin in the file.</param>
    /// <param name="isWhole">True leaves a tensor in one piece.</param>
    /// <param name="windowBytes">The size of a window.</param>
    public static IEnumerable<FilePiece> Cut(IEnumerable<SafetensorsEntry> entries, Func<TensorInfo, bool> isWhole, int windowBytes)
    {
        foreach (var (tensor, offset) in entries)
        {
            var bits = tensor.DType.BitSize();
            var whole = isWhole(tensor);
            for (long start = 0; start < tensor.ElementCount;)
            {
                var at = offset + (start * bits / 8);
                var room = windowBytes - (at % windowBytes);

                // An element that lies in two windows belongs to the first; types of less than a byte come in whole bytes.
                var fits = bits % 8 == 0 ? (room + (bits / 8) - 1) / (bits / 8) : Math.Max(8, room * 8 / bits / 8 * 8);
                var count = whole ? tensor.ElementCount : Math.Min(fits, tensor.ElementCount - start);
                yield return new FilePiece(tensor, start, count, at);
                start += count;
            }
        }
    }

    /// <summary>Puts together what begins in one window.</summary>
    /// <param name="pieces">In the order of the file.</param>
    /// <param name="windowBytes">The size of a window.</param>
    public static IEnumerable<FilePiece[]> Gather(IEnumerable<FilePiece> pieces, int windowBytes)
    {
        var window = new List<FilePiece>();
        foreach (var piece in pieces)
        {
            if (window.Count > 0 && (piece.Offset != window[^1].End || piece.Offset / windowBytes != window[0].Offset / windowBytes || piece.Length > windowBytes))
            {
                yield return window.ToArray();
                window.Clear();
            }

            window.Add(piece);
        }

        if (window.Count > 0)
            yield return window.ToArray();
    }
}
