using System.Diagnostics.CodeAnalysis;
using Microsoft.Win32.SafeHandles;

namespace FineMixing.Checkpoints.Safetensors;

/// <summary>One safetensors file, read at offsets: any size, any number of threads, no more memory than the header needs.</summary>
public sealed class SafetensorsCheckpoint : IFileCheckpoint
{
    private readonly CheckpointFile _file;

    private SafetensorsCheckpoint(CheckpointFile file, SafetensorsHeader header)
    {
        _file = file;
        Header = header;
        Tensors = header.Entries.Select(e => e.Tensor).ToArray();
    }

    /// <inheritdoc/>
    public string Location => _file.Path;

    /// <inheritdoc/>
    public IReadOnlyList<string> Files => [_file.Path];

    /// <inheritdoc/>
    public IReadOnlyList<TensorInfo> Tensors { get; }

    /// <inheritdoc/>
    public IReadOnlyDictionary<string, string> Metadata => Header.Metadata;

    /// <summary>The checked header.</summary>
    public SafetensorsHeader Header { get; }

    /// <summary>Opens a file and checks its header.</summary>
    /// <exception cref="FileNotFoundException">The file does not exist.</exception>
    /// <exception cref="UnauthorizedAccessException">The file may not be read.</exception>
    /// <exception cref="CheckpointFormatException">The file breaks a rule of the format.</exception>
    public static SafetensorsCheckpoint Open(string path) => Open(path, null);

    /// <summary>The same for a shard, whose tensors' names are at hand as strings.</summary>
    internal static SafetensorsCheckpoint Open(string path, Func<ReadOnlySpan<char>, string?>? knownNames)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        var file = new CheckpointFile(path);
        try
        {
            return new SafetensorsCheckpoint(file, SafetensorsHeader.Read(file.Stream, file.Length, file.Path, knownNames));
        }
        catch
        {
            file.Dispose();
            throw;
        }
    }

    /// <inheritdoc/>
    public bool TryGetTensor(string name, [NotNullWhen(true)] out TensorInfo? tensor)
    {
        tensor = Header.ByName.TryGetValue(name, out var entry) ? entry.Tensor : null;
        return tensor is not null;
    }

    /// <inheritdoc/>
    public void Read(TensorInfo tensor, long byteOffset, Span<byte> destination)
    {
        ArgumentNullException.ThrowIfNull(tensor);
        if (!Header.ByName.TryGetValue(tensor.Name, out var entry))
            throw new ArgumentException($"'{Location}' has no tensor '{tensor.Name}'.", nameof(tensor));
        ArgumentOutOfRangeException.ThrowIfNegative(byteOffset);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(byteOffset, entry.Tensor.ByteLength - destination.Length);
        _file.Read(entry.FileOffset + byteOffset, destination, tensor.Name);
    }

    /// <inheritdoc/>
    public bool TryGetFileSegment(TensorInfo tensor, [NotNullWhen(true)] out SafeFileHandle? handle, out long fileOffset)
    {
        ArgumentNullException.ThrowIfNull(tensor);
        var found = Header.ByName.TryGetValue(tensor.Name, out var entry);
        handle = found ? _file.Handle : null;
        fileOffset = entry.FileOffset;
        return found;
    }

    /// <inheritdoc/>
    public void EnsureUnchanged() => _file.EnsureUnchanged();

    /// <inheritdoc/>
    public void Dispose() => _file.Dispose();
}
