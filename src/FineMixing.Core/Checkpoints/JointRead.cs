using Microsoft.Win32.SafeHandles;

namespace FineMixing.Checkpoints;

/// <summary>A run of bytes of a tensor.</summary>
/// <param name="Tensor">One of the checkpoint's tensors.</param>
/// <param name="Offset">Where it begins within the tensor.</param>
/// <param name="Length">Bytes.</param>
internal readonly record struct TensorRun(TensorInfo Tensor, long Offset, long Length);

/// <summary>Runs of several tensors that lie side by side in a file, as in most models they do, and are read with one call: small tensors cost more calls than bytes otherwise.</summary>
/// <param name="File">The open file.</param>
/// <param name="Offset">Where the first run begins in it.</param>
/// <param name="Length">Bytes of all.</param>
internal sealed record JointRead(SafeFileHandle File, long Offset, long Length)
{
    /// <summary>Null when they do not lie side by side, or not in files.</summary>
    /// <param name="checkpoint">The checkpoint; who reads calls <see cref="IFileCheckpoint.EnsureUnchanged"/> in the end.</param>
    /// <param name="runs">In the order in which they are wanted.</param>
    public static JointRead? Find(ICheckpoint checkpoint, TensorRun[] runs)
    {
        if (checkpoint is not IFileCheckpoint files)
            return null;
        SafeFileHandle? handle = null;
        long begin = 0, end = 0;
        foreach (var run in runs)
        {
            if (!files.TryGetFileSegment(run.Tensor, out var file, out var offset) || run.Offset + run.Length > run.Tensor.ByteLength)
                return null;
            offset += run.Offset;
            if (handle is null)
                (handle, begin) = (file, offset);
            else if (handle != file || offset != end)
                return null;
            end = offset + run.Length;
        }

        return handle is null ? null : new JointRead(handle, begin, end - begin);
    }

    /// <summary>Fills the destination; false if that fails for any reason, which reading run by run finds out.</summary>
    public bool Try(Span<byte> destination)
    {
        try
        {
            return destination.Length == Length && RandomAccess.Read(File, destination, Offset) == Length;
        }
        catch (IOException)
        {
            return false;
        }
    }
}
