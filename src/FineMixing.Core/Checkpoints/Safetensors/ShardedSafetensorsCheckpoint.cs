using System.Diagnostics.CodeAnalysis;
using Microsoft.Win32.SafeHandles;

namespace FineMixing.Checkpoints.Safetensors;

/// <summary>Several safetensors files with an index (<c>model.safetensors.index.json</c>), read as one checkpoint.</summary>
public sealed class ShardedSafetensorsCheckpoint : IFileCheckpoint
{
    private readonly List<SafetensorsCheckpoint> _shards;
    private readonly ShardIndex _index;
    private readonly Dictionary<string, SafetensorsCheckpoint> _byName = new(StringComparer.Ordinal);

    private ShardedSafetensorsCheckpoint(ShardIndex index, List<SafetensorsCheckpoint> shards)
    {
        _shards = shards;
        _index = index;
        Location = index.Path;
        Files = [index.Path, .. shards.Select(s => s.Location)];
        var tensors = new TensorInfo[shards.Sum(s => s.Tensors.Count)];
        var end = 0;
        foreach (var (name, shard) in index.Shards.Zip(shards))
        {
            _byName.Add(name, shard);
            foreach (var tensor in shard.Tensors)
                tensors[end++] = tensor;
        }

        Tensors = tensors;
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
                var shard = SafetensorsCheckpoint.Open(index.Locate(name), index.NameOf);
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
        return TryGetShard(name, out var shard) && shard.TryGetTensor(name, out tensor);
    }

    /// <inheritdoc/>
    public void Read(TensorInfo tensor, long byteOffset, Span<byte> destination)
    {
        ArgumentNullException.ThrowIfNull(tensor);
        if (!TryGetShard(tensor.Name, out var shard))
            throw new ArgumentException($"'{Location}' has no tensor '{tensor.Name}'.", nameof(tensor));
        shard.Read(tensor, byteOffset, destination);
    }

    /// <inheritdoc/>
    public bool TryGetFileSegment(TensorInfo tensor, [NotNullWhen(true)] out SafeFileHandle? handle, out long fileOffset)
    {
        ArgumentNullException.ThrowIfNull(tensor);
        if (TryGetShard(tensor.Name, out var shard))
            return shard.TryGetFileSegment(tensor, out handle, out fileOffset);
        (handle, fileOffset) = (null, 0);
        return false;
    }

    private bool TryGetShard(string tensor, [NotNullWhen(true)] out SafetensorsCheckpoint? shard)
    {
        shard = null;
        return _index.ShardOfTensor.TryGetValue(tensor, out var name) && _byName.TryGetValue(name, out shard);
    }

    /// <inheritdoc/>
    public void EnsureUnchanged() => _shards.ForEach(s => s.EnsureUnchanged());

    /// <inheritdoc/>
    public void Dispose() => _shards.ForEach(s => s.Dispose());
}
