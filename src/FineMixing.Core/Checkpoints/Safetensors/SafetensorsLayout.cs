using System.Buffers.Binary;
using System.Text;
using Microsoft.Win32.SafeHandles;

namespace FineMixing.Checkpoints.Safetensors;

/// <summary>Where everything goes in a safetensors file that is not yet written: its header and each tensor's place.</summary>
/// <remarks>Equal content gives equal bytes: tensors are ordered by the alignment of their type (descending), then by name; metadata by key.</remarks>
public sealed class SafetensorsLayout
{
    /// <summary>The data begins on a multiple of this many bytes, so that whole pages of it can be written.</summary>
    public const int DataAlignment = 4096;

    private readonly SortedList<string, string> _metadata;

    private SafetensorsLayout(SortedList<string, string> metadata, int headerLength, IReadOnlyList<SafetensorsEntry> entries, long totalLength)
    {
        _metadata = metadata;
        HeaderLength = headerLength;
        Entries = entries;
        TotalLength = totalLength;
    }

    /// <summary>The length of the header in bytes, a multiple of <see cref="DataAlignment"/>; the first tensor begins there.</summary>
    public int HeaderLength { get; }

    /// <summary>The tensors in the order of their data, each with its offset from the beginning of the file.</summary>
    public IReadOnlyList<SafetensorsEntry> Entries { get; }

    /// <summary>The length of the file in bytes.</summary>
    public long TotalLength { get; }

    /// <summary>Lays out a file.</summary>
    /// <param name="tensors">In any order.</param>
    /// <param name="metadata">The <c>__metadata__</c>; <c>format</c> = <c>pt</c> is added when absent, since Hugging Face transformers asks for it.</param>
    /// <exception cref="ArgumentException">The reader would refuse the file: a name twice, too long or not Unicode, a number too large, a header too long. All problems are listed.</exception>
    public static SafetensorsLayout Plan(IEnumerable<TensorInfo> tensors, IReadOnlyDictionary<string, string>? metadata = null)
    {
        ArgumentNullException.ThrowIfNull(tensors);
        var ordered = Order(tensors);
        var allMetadata = new SortedList<string, string>(StringComparer.Ordinal) { ["format"] = "pt" };
        foreach (var (key, value) in metadata ?? new Dictionary<string, string>())
            allMetadata[key] = value;
        Validate(ordered, allMetadata);

        var length = JsonBytes.Count(json => Compose(json, 0, ordered, allMetadata));
        var dataOffset = (length + DataAlignment - 1) / DataAlignment * DataAlignment;
        if (dataOffset - 8 > SafetensorsLimits.HeaderBytes)
            throw new ArgumentException($"The header of {ordered.Length} tensors has {length - 8} bytes; at most {SafetensorsLimits.HeaderBytes} are allowed.", nameof(tensors));

        var entries = new SafetensorsEntry[ordered.Length];
        var end = dataOffset;
        for (var i = 0; i < ordered.Length; i++)
        {
            entries[i] = new SafetensorsEntry(ordered[i], end);
            end += ordered[i].ByteLength;
        }

        return new SafetensorsLayout(allMetadata, (int)dataOffset, entries, end);
    }

    /// <summary>Makes the first bytes of the file: length, JSON, and padding up to the first tensor.</summary>
    public ReadOnlyMemory<byte> ComposeHeader()
    {
        var json = new JsonBytes(HeaderLength);
        ComposeHeader(json);
        return json.Written;
    }

    /// <summary>Writes these bytes, without holding them all.</summary>
    internal void WriteHeader(SafeFileHandle file) => JsonBytes.Write(file, ComposeHeader);

    private void ComposeHeader(JsonBytes json)
    {
        Compose(json, HeaderLength - 8, Entries.Select(e => e.Tensor), _metadata);
        json.Fill((byte)' ', HeaderLength - (int)json.Length);
    }

    /// <summary>Tensors in the order in which they are written: alignment of the type descending, then name.</summary>
    internal static TensorInfo[] Order(IEnumerable<TensorInfo> tensors)
    {
        TensorInfo[] ordered = [.. tensors];
        Array.Sort(ordered, static (a, b) =>
        {
            var bySize = (b.DType.BitSize() / 8).CompareTo(a.DType.BitSize() / 8);
            return bySize != 0 ? bySize : string.CompareOrdinal(a.Name, b.Name);
        });
        return ordered;
    }

    private static void Validate(TensorInfo[] tensors, SortedList<string, string> metadata)
    {
        var problems = new List<string>();
        if (tensors.Length > SafetensorsLimits.Tensors)
            problems.Add($"{tensors.Length} tensors, at most {SafetensorsLimits.Tensors} are allowed");
        var names = new HashSet<string>(tensors.Length, StringComparer.Ordinal);
        var total = 0m;
        foreach (var tensor in tensors)
        {
            CheckText("tensor name", tensor.Name, SafetensorsLimits.NameBytes);
            if (tensor.Name == "__metadata__")
                problems.Add("a tensor may not be called '__metadata__'");
            if (!names.Add(tensor.Name))
                problems.Add($"two tensors are called '{tensor.Name}'");
            if (tensor.Shape.Length > SafetensorsLimits.Rank || HasDimensionAbove(tensor, SafetensorsLimits.Number))
                problems.Add($"tensor {tensor} has more than {SafetensorsLimits.Rank} dimensions or one above 2^48 - 1");
            total += tensor.ByteLength;
        }

        if (total > SafetensorsLimits.Number)
            problems.Add($"{total} bytes of data, at most {SafetensorsLimits.Number} are allowed");
        long metadataBytes = 0;
        foreach (var (key, value) in metadata)
        {
            metadataBytes += CheckText("metadata key", key, SafetensorsLimits.NameBytes);
            metadataBytes += CheckText($"value of metadata key '{key}'", value, SafetensorsLimits.MetadataBytes) + 64L;
        }

        if (metadataBytes > SafetensorsLimits.MetadataBytes)
            problems.Add($"the metadata is longer than {SafetensorsLimits.MetadataBytes} bytes");
        if (problems.Count > 0)
            throw new ArgumentException($"These tensors cannot be written as safetensors: {string.Join("; ", problems)}.", nameof(tensors));

        int CheckText(string what, string text, int maxBytes)
        {
            try
            {
                var length = JsonBytes.LengthOf(text);
                if (length > maxBytes)
                    problems.Add($"{what} of {text.Length} characters is too long");
                return length;
            }
            catch (EncoderFallbackException)
            {
                problems.Add($"{what} '{text}' is not valid Unicode");
                return 0;
            }
        }
    }

    private static bool HasDimensionAbove(TensorInfo tensor, long limit)
    {
        foreach (var dimension in tensor.Shape.AsSpan())
        {
            if (dimension > limit)
                return true;
        }

        return false;
    }

    // Room for the header's length, then its JSON.
    private static void Compose(JsonBytes json, long jsonLength, IEnumerable<TensorInfo> tensors, SortedList<string, string> metadata)
    {
        Span<byte> prefix = stackalloc byte[sizeof(long)];
        BinaryPrimitives.WriteInt64LittleEndian(prefix, jsonLength);
        json.Append(prefix).Append("{\"__metadata__\":{"u8);
        var separator = ""u8;
        foreach (var (key, value) in metadata)
        {
            json.Append(separator).AppendQuoted(key).Append(":"u8).AppendQuoted(value);
            separator = ","u8;
        }

        json.Append("}"u8);
        long begin = 0;
        foreach (var tensor in tensors)
        {
            var end = begin + tensor.ByteLength;
            json.Append(","u8).AppendQuoted(tensor.Name).Append(":{\"dtype\":"u8).AppendQuoted(tensor.DType.SafetensorsName()).Append(",\"shape\":["u8);
            separator = ""u8;
            foreach (var dimension in tensor.Shape.AsSpan())
            {
                json.Append(separator).Append(dimension);
                separator = ","u8;
            }

            json.Append("],\"data_offsets\":["u8).Append(begin).Append(","u8).Append(end).Append("]}"u8);
            begin = end;
        }

        json.Append("}"u8);
    }
}
