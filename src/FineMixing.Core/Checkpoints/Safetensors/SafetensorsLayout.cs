using System.Buffers.Binary;
using System.Globalization;
using System.Text;

namespace FineMixing.Checkpoints.Safetensors;

/// <summary>Where everything goes in a safetensors file that is not yet written: its header's bytes and each tensor's place.</summary>
/// <remarks>Equal content gives equal bytes: tensors are ordered by the alignment of their type (descending), then by name; metadata by key.</remarks>
public sealed class SafetensorsLayout
{
    /// <summary>The data begins on a multiple of this many bytes, so that whole pages of it can be written.</summary>
    public const int DataAlignment = 4096;

    private static readonly UTF8Encoding StrictUtf8 = new(encoderShouldEmitUTF8Identifier: false, throwOnInvalidBytes: true);

    private SafetensorsLayout(ReadOnlyMemory<byte> header, IReadOnlyList<SafetensorsEntry> entries, long totalLength)
    {
        Header = header;
        Entries = entries;
        TotalLength = totalLength;
    }

    /// <summary>The first bytes of the file: length, JSON, and padding up to the first tensor.</summary>
    public ReadOnlyMemory<byte> Header { get; }

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

        var json = StrictUtf8.GetBytes(ComposeJson(ordered, allMetadata));
        var dataOffset = (8L + json.Length + DataAlignment - 1) / DataAlignment * DataAlignment;
        if (dataOffset - 8 > SafetensorsLimits.HeaderBytes)
            throw new ArgumentException($"The header of {ordered.Length} tensors has {json.Length} bytes; at most {SafetensorsLimits.HeaderBytes} are allowed.", nameof(tensors));
        var header = new byte[dataOffset];
        BinaryPrimitives.WriteUInt64LittleEndian(header, (ulong)(dataOffset - 8));
        json.CopyTo(header, 8);
        header.AsSpan(8 + json.Length).Fill((byte)' ');

        var entries = new SafetensorsEntry[ordered.Length];
        var end = dataOffset;
        for (var i = 0; i < ordered.Length; i++)
        {
            entries[i] = new SafetensorsEntry(ordered[i], end);
            end += ordered[i].ByteLength;
        }

        return new SafetensorsLayout(header, entries, end);
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
        var names = new HashSet<string>(StringComparer.Ordinal);
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
            CheckText("metadata key", key, SafetensorsLimits.NameBytes);
            CheckText($"value of metadata key '{key}'", value, SafetensorsLimits.MetadataBytes);
            metadataBytes += (long)Quoted(key).Length * 3 + (long)Quoted(value).Length * 3 + 64;
        }

        if (metadataBytes > SafetensorsLimits.MetadataBytes)
            problems.Add($"the metadata is longer than {SafetensorsLimits.MetadataBytes} bytes");
        if (problems.Count > 0)
            throw new ArgumentException($"These tensors cannot be written as safetensors: {string.Join("; ", problems)}.", nameof(tensors));

        void CheckText(string what, string text, int maxBytes)
        {
            try
            {
                if (StrictUtf8.GetByteCount(Quoted(text)) - 2 > maxBytes)
                    problems.Add($"{what} of {text.Length} characters is too long");
            }
            catch (EncoderFallbackException)
            {
                problems.Add($"{what} '{text}' is not valid Unicode");
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

    private static string ComposeJson(TensorInfo[] tensors, SortedList<string, string> metadata)
    {
        var json = new StringBuilder(128 * tensors.Length + 256);
        json.Append("{\"__metadata__\":{").AppendJoin(',', metadata.Select(m => $"{Quoted(m.Key)}:{Quoted(m.Value)}")).Append('}');
        long begin = 0;
        foreach (var tensor in tensors)
        {
            var end = begin + tensor.ByteLength;
            json.Append(CultureInfo.InvariantCulture, $",{Quoted(tensor.Name)}:{{\"dtype\":\"{tensor.DType.SafetensorsName()}\",\"shape\":[{TensorInfo.Join(",", tensor.Shape)}],\"data_offsets\":[{begin.ToString(CultureInfo.InvariantCulture)},{end.ToString(CultureInfo.InvariantCulture)}]}}");
            begin = end;
        }

        return json.Append('}').ToString();
    }

    // Own escaping, as little as JSON asks for: the bytes must not depend on what a serializer's next version prefers to escape.
    internal static string Quoted(string text)
    {
        if (!text.AsSpan().ContainsAnyInRange('\0', '\u001f') && text.AsSpan().IndexOfAny('"', '\\') < 0)
            return string.Concat("\"", text, "\"");
        var quoted = new StringBuilder(text.Length + 2).Append('"');
        foreach (var character in text)
        {
            if (character is '"' or '\\')
                quoted.Append('\\').Append(character);
            else if (character < ' ')
                quoted.Append(CultureInfo.InvariantCulture, $"\\u{(int)character:x4}");
            else
                quoted.Append(character);
        }

        return quoted.Append('"').ToString();
    }
}
