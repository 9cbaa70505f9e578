using System.Buffers.Binary;
using System.Collections.Immutable;
using System.Text.Json;

namespace FineMixing.Checkpoints.Safetensors;

/// <summary>The checked header of a safetensors file: what is stored where.</summary>
/// <remarks>Stricter than the reference reader: duplicate names (also escaped), unknown fields, <c>null</c> metadata, numbers above 2^48 - 1 and anything beyond <see cref="SafetensorsLimits"/> are refused.</remarks>
public sealed class SafetensorsHeader
{
    private const int Sample = 500;

    private SafetensorsHeader(long dataOffset, Dictionary<string, SafetensorsEntry> byName, SafetensorsEntry[] entries, IReadOnlyDictionary<string, string> metadata)
    {
        DataOffset = dataOffset;
        ByName = byName;
        Entries = entries;
        Metadata = metadata;
    }

    /// <summary>Where the tensors' data begins in the file.</summary>
    public long DataOffset { get; }

    /// <summary>The tensors in the order of their data.</summary>
    public IReadOnlyList<SafetensorsEntry> Entries { get; }

    /// <summary>The tensors by their names.</summary>
    internal IReadOnlyDictionary<string, SafetensorsEntry> ByName { get; }

    /// <summary>The <c>__metadata__</c>.</summary>
    public IReadOnlyDictionary<string, string> Metadata { get; }

    /// <summary>Reads and checks the header.</summary>
    /// <param name="stream">At the first byte of the file; only the header is read.</param>
    /// <param name="fileLength">The length of the whole file in bytes.</param>
    /// <param name="file">The file, for messages.</param>
    /// <exception cref="CheckpointFormatException">A rule of the format is broken.</exception>
    public static SafetensorsHeader Read(Stream stream, long fileLength, string? file = null) => Read(stream, fileLength, file, null);

    /// <summary>The same for a shard, whose tensors' names are at hand as strings.</summary>
    internal static SafetensorsHeader Read(Stream stream, long fileLength, string? file, Func<ReadOnlySpan<char>, string?>? knownNames)
    {
        ArgumentNullException.ThrowIfNull(stream);
        var length = ReadLength(stream, fileLength, file);
        var json = new JsonTokenReader(stream, length, 8, "header", file, maxDepth: 4) { KnownNames = knownNames };
        var shapes = new RecentShapes();
        var byName = new Dictionary<string, SafetensorsEntry>(StringComparer.Ordinal);
        Dictionary<string, string>? metadata = null;
        json.Expect(JsonTokenType.StartObject, "an object");
        while (json.Read() && json.TokenType == JsonTokenType.PropertyName)
        {
            var name = json.Text;
            if (name == "__metadata__")
            {
                if (metadata is not null)
                    throw json.Fault("'__metadata__' appears twice");
                metadata = ReadMetadata(json);
                continue;
            }

            if (byName.ContainsKey(name))
                throw json.Fault("the name appears twice", tensor: name);
            if (byName.Count == SafetensorsLimits.Tensors)
                throw json.Fault($"there are more than {SafetensorsLimits.Tensors} tensors");
            byName.Add(name, ReadEntry(json, name, shapes, 8 + length));

            // The first hundreds tell how many there will be; growing by doubling would leave as much again behind.
            if (byName.Count == Sample)
                byName.EnsureCapacity((int)Math.Min(SafetensorsLimits.Tensors, (long)(1.02 * Sample * length / (json.TokenOffset - 7))));
        }

        if (json.Read())
            throw json.Fault("the header goes on after its object");
        var entries = new SafetensorsEntry[byName.Count];
        byName.Values.CopyTo(entries, 0);
        CheckCoverage(entries, 8 + length, fileLength, file);
        return new SafetensorsHeader(8 + length, byName, entries, metadata ?? []);
    }

    private static long ReadLength(Stream stream, long fileLength, string? file)
    {
        if (fileLength < 8)
            throw new CheckpointFormatException($"the file has {fileLength} bytes; a safetensors file has at least 8", file, 0);
        Span<byte> prefix = stackalloc byte[8];
        try
        {
            stream.ReadExactly(prefix);
        }
        catch (IOException e)
        {
            throw new CheckpointFormatException($"the header's length cannot be read: {e.Message}", file, 0, innerException: e);
        }

        var length = BinaryPrimitives.ReadUInt64LittleEndian(prefix);
        if (length > SafetensorsLimits.HeaderBytes)
            throw new CheckpointFormatException($"the header is said to have {length} bytes; at most {SafetensorsLimits.HeaderBytes} are accepted", file, 0);
        if (8 + (long)length > fileLength)
            throw new CheckpointFormatException($"the header is said to have {length} bytes, but the file has only {fileLength}", file, 0);
        return (long)length;
    }

    private static Dictionary<string, string> ReadMetadata(JsonTokenReader json)
    {
        json.Expect(JsonTokenType.StartObject, "the object of '__metadata__'");
        var metadata = new Dictionary<string, string>(StringComparer.Ordinal);
        long total = 0;
        while (json.Read() && json.TokenType == JsonTokenType.PropertyName)
        {
            var key = json.Text;
            total += json.TokenBytes;
            json.MaxTokenBytes = SafetensorsLimits.MetadataBytes;
            json.Expect(JsonTokenType.String, "a string value in '__metadata__'");
            json.MaxTokenBytes = SafetensorsLimits.NameBytes;
            // Each entry costs memory beside its text, so that many tiny ones count too.
            total += json.TokenBytes + 64;
            if (total > SafetensorsLimits.MetadataBytes)
                throw json.Fault($"'__metadata__' is longer than {SafetensorsLimits.MetadataBytes} bytes");
            if (!metadata.TryAdd(key, json.Text))
                throw json.Fault($"the key '{key}' appears twice in '__metadata__'");
        }

        return metadata;
    }

    private static SafetensorsEntry ReadEntry(JsonTokenReader json, string name, RecentShapes shapes, long dataOffset)
    {
        var at = json.TokenOffset;
        DType? dtype = null;
        ImmutableArray<long>? shape = null;
        (long Begin, long End)? offsets = null;
        json.Expect(JsonTokenType.StartObject, "the object that describes a tensor", name);
        while (json.Read() && json.TokenType == JsonTokenType.PropertyName)
        {
            switch (json.Text)
            {
                case "dtype" when dtype is null:
                    json.Expect(JsonTokenType.String, "a dtype as a string");
                    dtype = DTypes.TryParse(json.Text, out var parsed)
                        ? parsed
                        : throw json.Fault($"unknown dtype '{Shorten(json.Text)}'", tensor: name);
                    break;
                case "shape" when shape is null:
                    shape = ReadShape(json, name, shapes);
                    break;
                case "data_offsets" when offsets is null:
                    offsets = ReadOffsets(json, name);
                    break;
                case "dtype" or "shape" or "data_offsets":
                    throw json.Fault($"the field '{json.Text}' appears twice", tensor: name);
                default:
                    throw json.Fault($"unknown field '{Shorten(json.Text)}'; a tensor has 'dtype', 'shape' and 'data_offsets'", tensor: name);
            }
        }

        if (dtype is null || shape is null || offsets is null)
            throw json.Fault("a tensor needs 'dtype', 'shape' and 'data_offsets'", at, tensor: name);
        return new SafetensorsEntry(CreateInfo(json, name, dtype.Value, shape.Value, offsets.Value, at), dataOffset + offsets.Value.Begin);
    }

    private static ImmutableArray<long> ReadShape(JsonTokenReader json, string name, RecentShapes shapes)
    {
        json.Expect(JsonTokenType.StartArray, "a shape as an array");
        Span<long> shape = stackalloc long[SafetensorsLimits.Rank];
        var rank = 0;
        while (json.Read() && json.TokenType != JsonTokenType.EndArray)
        {
            if (rank == shape.Length)
                throw json.Fault($"more than {SafetensorsLimits.Rank} dimensions", tensor: name);
            shape[rank++] = RequireNumber(json, "a dimension", name);
        }

        return shapes.Get(shape[..rank]);
    }

    private static (long Begin, long End) ReadOffsets(JsonTokenReader json, string name)
    {
        json.Expect(JsonTokenType.StartArray, "data_offsets as an array");
        json.Read();
        var begin = RequireNumber(json, "the first offset", name);
        json.Read();
        var end = RequireNumber(json, "the second offset", name);
        if (!json.Read() || json.TokenType != JsonTokenType.EndArray)
            throw json.Fault("data_offsets has more than two numbers", tensor: name);
        if (begin > end)
            throw json.Fault($"data_offsets [{begin}, {end}]: the end is before the beginning", tensor: name);
        return (begin, end);
    }

    private static long RequireNumber(JsonTokenReader json, string what, string name) =>
        json.TokenType == JsonTokenType.Number && json.Number >= 0
            ? json.Number
            : throw json.Fault($"{what} must be an unsigned integer up to 2^48 - 1, without sign, fraction or exponent", tensor: name);

    private static TensorInfo CreateInfo(JsonTokenReader json, string name, DType dtype, ImmutableArray<long> shape, (long Begin, long End) offsets, long at)
    {
        TensorInfo info;
        try
        {
            info = new TensorInfo(name, dtype, shape);
        }
        catch (Exception e) when (e is ArgumentException or OverflowException)
        {
            throw json.Fault($"{dtype.SafetensorsName()} [{TensorInfo.Join(", ", shape)}] does not have a whole, representable number of bytes", at, e, name);
        }

        if (offsets.End - offsets.Begin != info.ByteLength)
            throw json.Fault($"{dtype.SafetensorsName()} {info.ShapeText} needs {info.ByteLength} bytes, data_offsets [{offsets.Begin}, {offsets.End}] give {offsets.End - offsets.Begin}", at, tensor: name);
        return info;
    }

    private static void CheckCoverage(SafetensorsEntry[] entries, long dataOffset, long fileLength, string? file)
    {
        Array.Sort(entries, (a, b) => a.FileOffset != b.FileOffset
            ? a.FileOffset.CompareTo(b.FileOffset)
            : a.Tensor.ByteLength != b.Tensor.ByteLength
                ? a.Tensor.ByteLength.CompareTo(b.Tensor.ByteLength)
                : string.CompareOrdinal(a.Tensor.Name, b.Tensor.Name));
        var end = dataOffset;
        foreach (var entry in entries)
        {
            if (entry.FileOffset != end)
                throw new CheckpointFormatException(
                    $"its data begins at byte {entry.FileOffset - dataOffset}, but the data before it ends at byte {end - dataOffset}: there is {(entry.FileOffset < end ? "an overlap" : "a gap")}",
                    file, entry.FileOffset, entry.Tensor.Name);
            end += entry.Tensor.ByteLength;
        }

        if (end != fileLength)
            throw new CheckpointFormatException($"the tensors end at byte {end}, the file at byte {fileLength}", file, Math.Min(end, fileLength));
    }

    private static string Shorten(string text) => text.Length <= 200 ? text : text[..200] + "…";
}

/// <summary>A tensor and where its data begins in the file.</summary>
/// <param name="Tensor">Name, type and shape.</param>
/// <param name="FileOffset">The first byte of its data, from the beginning of the file.</param>
public readonly record struct SafetensorsEntry(TensorInfo Tensor, long FileOffset);
