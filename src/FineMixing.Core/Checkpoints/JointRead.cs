using Microsoft.Win32.SafeHandles;

namespace FineMixing.Checkpoints;

/// <summary>Runs of several tensors that lie side by side in a file, as in most models they do, and are read with one call: small tensors cost more calls than bytes otherwise.</summary>
/// <param name="checkpoint">The checkpoint; who reads calls <see cref="ICheckpoint.EnsureUnchanged"/> in the end.</param>
internal struct JointRead(ICheckpoint checkpoint)
{
    private readonly IFileCheckpoint? _files = checkpoint as IFileCheckpoint;
    private SafeFileHandle? _handle;

    /// <summary>Where the first run begins in the file.</summary>
    public long Offset { get; private set; }

    /// <summary>Bytes of all.</summary>
    public long Length { get; private set; }

    /// <summary>Adds the run that is wanted next; false when it does not lie behind the others, or not in a file.</summary>
    /// <param name="tensor">One of the checkpoint's tensors.</param>
    /// <param name="start">Where the run begins within the tensor, in bytes.</param>
    /// <param name="length">Bytes.</param>
    public bool Add(TensorInfo tensor, long start, long length)
    {
        if (_files is null || start + length > tensor.ByteLength || !_files.TryGetFileSegment(tensor, out var file, out var offset))
            return false;
        if (_handle is null)
            (_handle, Offset) = (file, offset + start);
        else if (_handle != file || offset + start != Offset + Length)
            return false;
        Length += length;
        return true;
    }

    /// <summary>Fills the destination; false if that fails for any reason, which reading run by run finds out.</summary>
    public readonly bool Try(Span<byte> destination)
    {
        try
        {
            return _handle is not null && destination.Length == Length && RandomAccess.Read(_handle, destination, Offset) == Length;
        }
        catch (IOException)
        {
            return false;
        }
    }
}
