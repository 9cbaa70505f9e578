namespace FineMixing.Checkpoints.Pickle;

/// <summary>Bytes that can be read at any place by several threads.</summary>
internal abstract class ByteSource : IDisposable
{
    /// <summary>The file's path, or a description.</summary>
    public abstract string Name { get; }

    /// <summary>The number of bytes when it was opened.</summary>
    public abstract long Length { get; }

    /// <summary>Fills the span with the bytes at that place.</summary>
    /// <exception cref="CheckpointFormatException">There are not as many, or they cannot be read.</exception>
    public abstract void Read(long offset, Span<byte> destination);

    /// <summary>Checks that the file is what it was when opened.</summary>
    /// <exception cref="CheckpointFormatException">It was changed.</exception>
    public virtual void EnsureUnchanged()
    {
    }

    /// <summary>Reads a range into a new array.</summary>
    public byte[] ReadArray(long offset, int count)
    {
        var bytes = GC.AllocateUninitializedArray<byte>(count);
        Read(offset, bytes);
        return bytes;
    }

    /// <inheritdoc/>
    public virtual void Dispose() => GC.SuppressFinalize(this);
}

/// <summary>The bytes of a file.</summary>
internal sealed class FileBytes(string path) : ByteSource
{
    private readonly CheckpointFile _file = new(path);

    public override string Name => _file.Path;

    public override long Length => _file.Length;

    public override void Read(long offset, Span<byte> destination) => _file.Read(offset, destination);

    public override void EnsureUnchanged() => _file.EnsureUnchanged();

    public override void Dispose()
    {
        _file.Dispose();
        base.Dispose();
    }
}

/// <summary>Bytes in memory.</summary>
internal sealed class MemoryBytes(ReadOnlyMemory<byte> bytes, string name = "memory") : ByteSource
{
    public override string Name => name;

    public override long Length => bytes.Length;

    public override void Read(long offset, Span<byte> destination)
    {
        if (offset < 0 || offset > bytes.Length - destination.Length)
            throw new CheckpointFormatException("the file ends before this", Name, offset);
        bytes.Span.Slice((int)offset, destination.Length).CopyTo(destination);
    }
}
