using System.Globalization;
using System.Text;

namespace FineMixing.Checkpoints.Safetensors;

/// <summary>JSON that is written piece by piece as UTF-8: a header of thousands of tensors is never held as text, nor twice.</summary>
/// <param name="capacity">How many bytes are expected.</param>
/// <param name="onlyCounts">True when only the length is of interest: what was written is not kept.</param>
internal sealed class JsonBytes(int capacity, bool onlyCounts = false)
{
    private static readonly UTF8Encoding StrictUtf8 = new(encoderShouldEmitUTF8Identifier: false, throwOnInvalidBytes: true);

    private byte[] _bytes = new byte[capacity];

    /// <summary>How many bytes were written.</summary>
    public long Length { get; private set; }

    /// <summary>What was written; not for one that only counts.</summary>
    public Memory<byte> Written => _bytes.AsMemory(0, Used);

    private int Used => onlyCounts ? 0 : (int)Length;

    /// <summary>How long a text is.</summary>
    /// <param name="compose">Writes it.</param>
    public static long Count(Action<JsonBytes> compose)
    {
        var counter = new JsonBytes(256, onlyCounts: true);
        compose(counter);
        return counter.Length;
    }

    /// <summary>Bytes as they are.</summary>
    public JsonBytes Append(ReadOnlySpan<byte> utf8)
    {
        utf8.CopyTo(Room(utf8.Length));
        Length += utf8.Length;
        return this;
    }

    /// <summary>A number.</summary>
    public JsonBytes Append(long number)
    {
        number.TryFormat(Room(20), out var written, provider: CultureInfo.InvariantCulture);
        Length += written;
        return this;
    }

    /// <summary>A string in quotes.</summary>
    /// <remarks>Own escaping, as little as JSON asks for: the bytes must not depend on what a serializer's next version prefers to escape.</remarks>
    /// <exception cref="EncoderFallbackException">It is not valid Unicode.</exception>
    public JsonBytes AppendQuoted(string text)
    {
        Append("\""u8);
        var escaped = Escaped(text);
        Length += StrictUtf8.GetBytes(escaped, Room(StrictUtf8.GetByteCount(escaped)));
        return Append("\""u8);
    }

    /// <summary>The same byte several times.</summary>
    public JsonBytes Fill(byte value, int count)
    {
        Room(count)[..count].Fill(value);
        Length += count;
        return this;
    }

    /// <summary>How many bytes a string takes between its quotes.</summary>
    /// <exception cref="EncoderFallbackException">It is not valid Unicode.</exception>
    public static int LengthOf(string text) => StrictUtf8.GetByteCount(Escaped(text));

    private static string Escaped(string text)
    {
        var asItIs = true;
        foreach (var character in text)
            asItIs &= character is >= ' ' and not ('"' or '\\');
        if (asItIs)
            return text;
        var escaped = new StringBuilder(text.Length + 8);
        foreach (var character in text)
        {
            if (character is '"' or '\\')
                escaped.Append('\\').Append(character);
            else if (character < ' ')
                escaped.Append(CultureInfo.InvariantCulture, $"\\u{(int)character:x4}");
            else
                escaped.Append(character);
        }

        return escaped.ToString();
    }

    private Span<byte> Room(int count)
    {
        if (_bytes.Length - Used < count)
            Array.Resize(ref _bytes, checked((int)Math.Min(Array.MaxLength, Math.Max(2L * _bytes.Length, (long)Used + count))));
        return _bytes.AsSpan(Used);
    }
}
