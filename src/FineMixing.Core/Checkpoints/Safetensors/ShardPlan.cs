using System.Globalization;
using Microsoft.Win32.SafeHandles;

namespace FineMixing.Checkpoints.Safetensors;

/// <summary>How tensors are spread over files of a limited size: one <c>model.safetensors</c>, or shards with an index.</summary>
public sealed class ShardPlan
{
    private ShardPlan(IReadOnlyList<PlannedFile> files, bool isSharded)
    {
        Files = files;
        IsSharded = isSharded;
    }

    /// <summary>The safetensors files, in order.</summary>
    public IReadOnlyList<PlannedFile> Files { get; }

    /// <summary>True when the files need an index, <c>model.safetensors.index.json</c>.</summary>
    public bool IsSharded { get; }

    /// <summary>Plans the files.</summary>
    /// <param name="tensors">In any order.</param>
    /// <param name="maxShardBytes">The most bytes of tensor data in a file; a larger tensor gets a file of its own.</param>
    /// <param name="metadata">The <c>__metadata__</c> of each file.</param>
    /// <exception cref="ArgumentException">See <see cref="SafetensorsLayout.Plan"/>; or there would be more than <see cref="SafetensorsLimits.Shards"/> shards.</exception>
    public static ShardPlan Create(IEnumerable<TensorInfo> tensors, long maxShardBytes, IReadOnlyDictionary<string, string>? metadata = null)
    {
        ArgumentNullException.ThrowIfNull(tensors);
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(maxShardBytes);
        var ordered = SafetensorsLayout.Order(tensors);
        var groups = Group(ordered, maxShardBytes);
        if (groups.Count == 1)
            return new ShardPlan([new PlannedFile(Checkpoint.SafetensorsFile, SafetensorsLayout.Plan(groups[0], metadata))], false);

        // Two of one name could end up in different shards.
        var names = Array.ConvertAll(ordered, t => t.Name);
        Array.Sort(names, StringComparer.Ordinal);
        for (var i = 1; i < names.Length; i++)
        {
            if (names[i] == names[i - 1])
                throw new ArgumentException($"Two tensors are called '{names[i]}'.", nameof(tensors));
        }

        if (groups.Count > SafetensorsLimits.Shards)
            throw new ArgumentException($"{groups.Count} shards of at most {maxShardBytes} bytes would be needed; at most {SafetensorsLimits.Shards} are allowed: raise the limit.", nameof(maxShardBytes));
        var files = groups.Select((group, i) => new PlannedFile(
            string.Create(CultureInfo.InvariantCulture, $"model-{i + 1:D5}-of-{groups.Count:D5}.safetensors"),
            SafetensorsLayout.Plan(group, metadata))).ToArray();
        return new ShardPlan(files, true);
    }

    /// <summary>Makes the bytes of the index.</summary>
    /// <exception cref="InvalidOperationException">There is one file; it needs none.</exception>
    public ReadOnlyMemory<byte> ComposeIndex()
    {
        var sorted = ShardOfTensor();
        var json = new JsonBytes(checked((int)JsonBytes.Count(j => ComposeIndex(j, sorted))));
        ComposeIndex(json, sorted);
        return json.Written;
    }

    /// <summary>Writes these bytes to a new file, without holding them all.</summary>
    /// <param name="create">Makes the file, for its length in bytes.</param>
    internal void WriteIndex(Func<long, SafeFileHandle> create)
    {
        var sorted = ShardOfTensor();
        JsonBytes.Write(create(JsonBytes.Count(j => ComposeIndex(j, sorted))), j => ComposeIndex(j, sorted));
    }

    private (string Tensor, string File)[] ShardOfTensor()
    {
        if (!IsSharded)
            throw new InvalidOperationException("A single file has no index.");
        var sorted = new (string Tensor, string File)[Files.Sum(f => f.Layout.Entries.Count)];
        var end = 0;
        foreach (var (name, layout) in Files)
        {
            foreach (var entry in layout.Entries)
                sorted[end++] = (entry.Tensor.Name, name);
        }

        Array.Sort(sorted, static (a, b) => string.CompareOrdinal(a.Tensor, b.Tensor));
        return sorted;
    }

    private static List<ArraySegment<TensorInfo>> Group(TensorInfo[] tensors, long maxShardBytes)
    {
        var groups = new List<ArraySegment<TensorInfo>>();
        var begin = 0;
        long bytes = 0;
        for (var i = 0; i < tensors.Length; i++)
        {
            if (i > begin && tensors[i].ByteLength > maxShardBytes - bytes)
            {
                groups.Add(new(tensors, begin, i - begin));
                (begin, bytes) = (i, 0);
            }

            bytes += tensors[i].ByteLength;
        }

        groups.Add(new(tensors, begin, tensors.Length - begin));
        return groups;
    }

    private void ComposeIndex(JsonBytes json, (string Tensor, string File)[] sorted)
    {
        var total = Files.Sum(f => f.Layout.TotalLength - f.Layout.HeaderLength);
        json.Append("{\n  \"metadata\": {\n    \"total_size\": "u8).Append(total).Append("\n  },\n  \"weight_map\": {"u8);
        var separator = "\n"u8;
        foreach (var (name, file) in sorted)
        {
            json.Append(separator).Append("    "u8).AppendQuoted(name).Append(": "u8).AppendQuoted(file);
            separator = ",\n"u8;
        }

        json.Append("\n  }\n}\n"u8);
    }
}

/// <summary>One file of a <see cref="ShardPlan"/>.</summary>
/// <param name="FileName">Its name, without folder.</param>
/// <param name="Layout">What goes where.</param>
public sealed record PlannedFile(string FileName, SafetensorsLayout Layout);
