using Microsoft.Win32.SafeHandles;

namespace FineMixing.Checkpoints;

/// <summary>A run of bytes of a tensor.</summary>
/// <param name="Tensor">One of the checkpoint's tensors.</param>
/// <param name="Offset">Where it begins within the tensor.</param>
/// <param name="Length">Bytes.</param>
internal readonly record struct TensorRun(TensorInfo Tensor, long Offset, long Length);

/// <summary>Reads runs of several tensors with one call where they lie side by side in a file, as in most models they do: small tensors cost more calls than bytes otherwise.</summary>
internal static class JointRead
{
    /// <summary>Tries; the caller reads run by run if it fails, which also finds out what is wrong, and calls <see cref="IFileCheckpoint.EnsureUnchanged"/> in the end.</summary>
    /// <param name="checkpoint">The checkpoint.</param>
    /// <param name="runs">In the order in which they are wanted.</param>
    /// <param name="destination">Filled when all lie side by side; of no use otherwise.</param>
    public static bool Try(ICheckpoint checkpoint, IReadOnlyList<TensorRun> runs, Span<byte> destination)
    {
        if (checkpoint is not IFileCheckpoint files)
            return false;
        SafeFileHandle? handle = null;
        long begin = 0, end = 0;
        foreach (var run in runs)
        {
            if (!files.TryGetFileSegment(run.Tensor, out var file, out var offset) || run.Offset + run.Length > run.Tensor.ByteLength)
                return false;
            offset += run.Offset;
            if (handle is null)
                (handle, begin) = (file, offset);
            else if (handle != file || offset != end)
                return false;
            end = offset + run.Length;
        }

        return handle is not null && end - begin == destination.Length && IsRead(handle, begin, destination);
    }

    private static bool IsRead(SafeFileHandle handle, long offset, Span<byte> destination)
    {
        try
        {
            return RandomAccess.Read(handle, destination, offset) == destination.Length;
        }
        catch (IOException)
        {
            return false;
        }
    }
}
