using Microsoft.Win32.SafeHandles;

namespace FineMixing.Checkpoints;

/// <summary>An open checkpoint file that is read at offsets, by any number of threads, and notices when it changes underneath.</summary>
internal sealed class CheckpointFile : IDisposable
{
    private readonly FileStream _stream;
    private readonly DateTime _modified;

    /// <exception cref="FileNotFoundException">The file does not exist.</exception>
    /// <exception cref="UnauthorizedAccessException">It may not be read, or is a folder.</exception>
    /// <exception cref="CheckpointFormatException">It is not a regular file.</exception>
    public CheckpointFile(string path)
    {
        Path = System.IO.Path.GetFullPath(path);
        if (IsEmpty(Path))
            throw new CheckpointFormatException("the file is empty or not a regular file", Path);
        _stream = new FileStream(Path, new FileStreamOptions { Mode = FileMode.Open, Access = FileAccess.Read, Share = FileShare.Read | FileShare.Delete, BufferSize = 0 });
        try
        {
            if (!_stream.CanSeek)
                throw new CheckpointFormatException("not a regular file", Path);
            Handle = _stream.SafeFileHandle;
            Length = RandomAccess.GetLength(Handle);
            _modified = File.GetLastWriteTimeUtc(Handle);
        }
        catch
        {
            _stream.Dispose();
            throw;
        }
    }

    public string Path { get; }

    public SafeFileHandle Handle { get; }

    public long Length { get; }

    /// <summary>The file from its beginning; owned by this object, for one thread.</summary>
    public Stream Stream
    {
        get
        {
            _stream.Position = 0;
            return _stream;
        }
    }

    /// <summary>True for empty files, and for pipes and devices, which have no length: merely opening a pipe would wait for ever.</summary>
    public static bool IsEmpty(string path)
    {
        var info = new FileInfo(path);
        if (info.ResolveLinkTarget(returnFinalTarget: true) is FileInfo target)
            info = target;
        return info.Exists && info.Length == 0;
    }

    /// <summary>Fills the destination from the given offset.</summary>
    public void Read(long offset, Span<byte> destination, string? tensor = null)
    {
        // A file that gets another length is written to as well.
        if (IsWritten)
            EnsureUnchanged();
        while (destination.Length > 0)
        {
            int count;
            try
            {
                count = RandomAccess.Read(Handle, destination, offset);
            }
            catch (IOException e)
            {
                throw new CheckpointFormatException($"reading failed: {e.Message}", Path, offset, tensor, e);
            }

            if (count == 0)
                throw new CheckpointFormatException("the file ends here; it was longer when it was opened", Path, offset, tensor);
            offset += count;
            destination = destination[count..];
        }
    }

    /// <exception cref="CheckpointFormatException">Length or modification time is not what it was when opened.</exception>
    public void EnsureUnchanged()
    {
        var length = RandomAccess.GetLength(Handle);
        if (length != Length)
            throw new CheckpointFormatException($"the file was changed while in use: it had {Length} bytes when opened and has {length} now", Path);
        if (IsWritten)
            throw new CheckpointFormatException("the file was written to while in use", Path);
    }

    private bool IsWritten => File.GetLastWriteTimeUtc(Handle) != _modified;

    public void Dispose() => _stream.Dispose();
}
