using System.Diagnostics.CodeAnalysis;
using Microsoft.Win32.SafeHandles;

namespace FineMixing.Checkpoints.Safetensors;

/// <summary>Several safetensors files with an index (<c>model.safetensors.index.json</c>), read as one checkpoint.</summary>
public sealed class ShardedSafetensorsCheckpoint : IFileCheckpoint
{
    private readonly List<SafetensorsCheckpoint> _shards;
    private readonly Dictionary<string, SafetensorsCheckpoint> _shardOfTensor = new(StringComparer.Ordinal);

    private ShardedSafetensorsCheckpoint(ShardIndex index, List<SafetensorsCheckpoint> shards)
    {
        _shards = shards;
        Location = index.Path;
        Files = [index.Path, .. shards.Select(s => s.Location)];
        Tensors = [.. shards.SelectMany(s => s.Tensors)];
        foreach (var shard in shards)
        {
            foreach (var tensor in shard.Tensors)
                _shardOfTensor.Add(tensor.Name, shard);
        }
    }

    /// <inheritdoc/>
    public string Location { get; }

    /// <inheritdoc/>
    public IReadOnlyList<string> Files { get; }

    /// <inheritdoc/>
    public IReadOnlyList<TensorInfo> Tensors { get; }

    /// <summary>The metadata of the first shard.</summary>
    public IReadOnlyDictionary<string, string> Metadata => _shards[0].Metadata;

    /// <summary>Opens an index and all its shards, and checks that they agree both ways.</summary>
    /// <exception cref="FileNotFoundException">The index does not exist.</exception>
    /// <exception cref="CheckpointFormatException">The index or a shard breaks a rule, a shard is missing or a link out of the folder.</exception>
    public static ShardedSafetensorsCheckpoint Open(string indexPath)
    {
        ArgumentException.ThrowIfNullOrEmpty(indexPath);
        var index = ShardIndex.Read(indexPath);
        var shards = new List<SafetensorsCheckpoint>();
        try
        {
            foreach (var name in index.Shards)
            {
                var shard = SafetensorsCheckpoint.Open(index.Locate(name));
                shards.Add(shard);
                index.CheckShard(name, shard.Tensors);
            }

            return new ShardedSafetensorsCheckpoint(index, shards);
        }
        catch
        {
            shards.ForEach(s => s.Dispose());
            throw;
        }
    }

    /// <inheritdoc/>
    public bool TryGetTensor(string name, [NotNullWhen(true)] out TensorInfo? tensor)
    {
        tensor = null;
        return _shardOfTensor.TryGetValue(name, out var shard) && shard.TryGetTensor(name, out tensor);
    }

    /// <inheritdoc/>
    public void Read(TensorInfo tensor, long byteOffset, Span<byte> destination)
    {
        ArgumentNullException.ThrowIfNull(tensor);
        if (!_shardOfTensor.TryGetValue(tensor.Name, out var shard))
            throw new ArgumentException($"'{Location}' has no tensor '{tensor.Name}'.", nameof(tensor));
        shard.Read(tensor, byteOffset, destination);
    }

    /// <inheritdoc/>
    public bool TryGetFileSegment(TensorInfo tensor, [NotNullWhen(true)] out SafeFileHandle? handle, out long fileOffset)
    {
        ArgumentNullException.ThrowIfNull(tensor);
        if (_shardOfTensor.TryGetValue(tensor.Name, out var shard))
            return shard.TryGetFileSegment(tensor, out handle, out fileOffset);
        (handle, fileOffset) = (null, 0);
        return false;
    }

    /// <inheritdoc/>
    public void EnsureUnchanged() => _shards.ForEach(s => s.EnsureUnchanged());

    /// <inheritdoc/>
    public void Dispose() => _shards.ForEach(s => s.Dispose());
}
