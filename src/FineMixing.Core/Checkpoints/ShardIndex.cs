using System.Text.Json;
using FineMixing.Checkpoints.Safetensors;

namespace FineMixing.Checkpoints;

/// <summary>The index of a sharded checkpoint (<c>*.index.json</c>): which shard holds which tensor.</summary>
internal sealed class ShardIndex
{
    private const long MaxBytes = 100_000_000;
    private const int Sample = 500;

    private readonly Dictionary<string, int> _tensorCount = new(StringComparer.Ordinal);
    private readonly Dictionary<string, string>.AlternateLookup<ReadOnlySpan<char>> _byText;

    private ShardIndex(string path, Dictionary<string, string> shardOfTensor)
    {
        _byText = shardOfTensor.GetAlternateLookup<ReadOnlySpan<char>>();
        Path = path;
        Folder = System.IO.Path.GetDirectoryName(path)!;
        ShardOfTensor = shardOfTensor;
        foreach (var shard in shardOfTensor.Values)
            _tensorCount[shard] = _tensorCount.GetValueOrDefault(shard) + 1;
        Shards = [.. _tensorCount.Keys.Order(StringComparer.Ordinal)];
    }

    public string Path { get; }

    public string Folder { get; }

    /// <summary>Tensor name to the shard's bare file name.</summary>
    public IReadOnlyDictionary<string, string> ShardOfTensor { get; }

    /// <summary>The bare file names of the shards, sorted.</summary>
    public IReadOnlyList<string> Shards { get; }

    /// <summary>The name of a tensor as the index's own string, so that a shard's header need not hold it once more; null if the index does not list it.</summary>
    public string? NameOf(ReadOnlySpan<char> text) => _byText.TryGetValue(text, out var name, out _) ? name : null;

    /// <summary>Reads an index; shard names are checked, the shards themselves are not.</summary>
    /// <exception cref="CheckpointFormatException">The index breaks a rule.</exception>
    public static ShardIndex Read(string path)
    {
        using var file = new CheckpointFile(path);
        return Parse(file.Stream, file.Length, file.Path);
    }

    /// <summary>Reads an index from a stream.</summary>
    /// <param name="stream">At the first byte.</param>
    /// <param name="length">The length of the index in bytes.</param>
    /// <param name="path">The index's full path.</param>
    /// <exception cref="CheckpointFormatException">The index breaks a rule.</exception>
    public static ShardIndex Parse(Stream stream, long length, string path)
    {
        if (length > MaxBytes)
            throw new CheckpointFormatException($"the index has {length} bytes; at most {MaxBytes} are accepted", path);
        var json = new JsonTokenReader(stream, length, 0, "index", path, maxDepth: 32);
        Dictionary<string, string>? map = null;
        json.Expect(JsonTokenType.StartObject, "an object");
        while (json.Read() && json.TokenType == JsonTokenType.PropertyName)
        {
            if (json.Text != "weight_map")
                json.SkipValue();
            else if (map is null)
                map = ReadMap(json, length);
            else
                throw json.Fault("'weight_map' appears twice");
        }

        if (json.Read())
            throw json.Fault("the index goes on after its object");
        if (map is null || map.Count == 0)
            throw new CheckpointFormatException("the index has no 'weight_map' with tensors", path);
        var index = new ShardIndex(path, map);
        return index.Shards.Count <= SafetensorsLimits.Shards
            ? index
            : throw new CheckpointFormatException($"the index names {index.Shards.Count} shards; at most {SafetensorsLimits.Shards} are accepted", path);
    }

    /// <summary>The full path of a shard.</summary>
    /// <exception cref="CheckpointFormatException">The shard is missing, or a link out of the folder.</exception>
    public string Locate(string shard)
    {
        try
        {
            return FolderLinks.Follow(Folder, shard);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new CheckpointFormatException($"the shard '{shard}' cannot be opened: {e.Message}", Path, innerException: e);
        }
    }

    /// <summary>Checks that a shard holds exactly the tensors the map promises.</summary>
    public void CheckShard(string shard, IReadOnlyCollection<TensorInfo> tensors)
    {
        foreach (var tensor in tensors)
        {
            if (!ShardOfTensor.TryGetValue(tensor.Name, out var expected))
                throw new CheckpointFormatException($"the shard '{shard}' holds a tensor that the index does not list", Path, tensor: tensor.Name);
            if (expected != shard)
                throw new CheckpointFormatException($"the shard '{shard}' holds a tensor that the index places in '{expected}'", Path, tensor: tensor.Name);
        }

        if (tensors.Count == _tensorCount[shard])
            return;
        var names = tensors.Select(t => t.Name).ToHashSet(StringComparer.Ordinal);
        var missing = ShardOfTensor.First(pair => pair.Value == shard && !names.Contains(pair.Key)).Key;
        throw new CheckpointFormatException($"the shard '{shard}' lacks a tensor that the index places there", Path, tensor: missing);
    }

    private static Dictionary<string, string> ReadMap(JsonTokenReader json, long length)
    {
        json.Expect(JsonTokenType.StartObject, "the object of 'weight_map'");
        var begin = json.TokenOffset;
        var map = new Dictionary<string, string>(StringComparer.Ordinal);
        var shards = new Dictionary<string, string>(StringComparer.Ordinal);
        while (json.Read() && json.TokenType == JsonTokenType.PropertyName)
        {
            var tensor = json.Text;
            json.Expect(JsonTokenType.String, "a shard's file name");
            if (!shards.TryGetValue(json.Text, out var shard))
            {
                if (!IsBareFileName(json.Text))
                    throw json.Fault("a shard must be a bare file name in the folder of the index", tensor: tensor);
                shards.Add(json.Text, shard = json.Text);
            }

            if (!map.TryAdd(tensor, shard))
                throw json.Fault("the tensor appears twice in 'weight_map'", tensor: tensor);
            if (map.Count > SafetensorsLimits.Tensors)
                throw json.Fault($"there are more than {SafetensorsLimits.Tensors} tensors");

            // The first hundreds tell how many there will be, as in a header.
            if (map.Count == Sample)
                map.EnsureCapacity((int)Math.Min(SafetensorsLimits.Tensors, (long)(1.02 * Sample * (length - begin) / (json.TokenOffset - begin))));
        }

        return map;
    }

    // Also what only another system takes for a separator, a drive, a stream or a device.
    private static bool IsBareFileName(string name) =>
        name.Length is > 0 and <= 255
        && name is not ("." or "..")
        && name.AsSpan().IndexOfAny("/\\:") < 0
        && !name.Any(char.IsControl);
}
