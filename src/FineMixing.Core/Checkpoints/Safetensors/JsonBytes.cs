using System.Globalization;
using System.Text;
using Microsoft.Win32.SafeHandles;

namespace FineMixing.Checkpoints.Safetensors;

/// <summary>JSON that is written piece by piece as UTF-8: a header of thousands of tensors is never held as text, nor twice.</summary>
/// <param name="capacity">How many bytes are expected, or how many are collected before they go on.</param>
/// <param name="sink">Gets the bytes bit by bit; without one they stay.</param>
internal sealed class JsonBytes(int capacity, JsonBytes.Sink? sink = null)
{
    /// <summary>Takes what was written since the last time.</summary>
    public delegate void Sink(ReadOnlySpan<byte> bytes);

    private static readonly UTF8Encoding StrictUtf8 = new(encoderShouldEmitUTF8Identifier: false, throwOnInvalidBytes: true);

    private byte[] _bytes = new byte[capacity];
    private int _used;

    /// <summary>How many bytes were written.</summary>
    public long Length { get; private set; }

    /// <summary>What was written and did not go to a sink.</summary>
    public Memory<byte> Written => _bytes.AsMemory(0, _used);

    /// <summary>How long a text is.</summary>
    /// <param name="compose">Writes it.</param>
    public static long Count(Action<JsonBytes> compose)
    {
        var counter = new JsonBytes(256, static _ => { });
        compose(counter);
        return counter.Length;
    }

    /// <summary>Writes a text to the beginning of a file.</summary>
    /// <param name="file">Open for writing.</param>
    /// <param name="compose">Writes it.</param>
    public static void Write(SafeFileHandle file, Action<JsonBytes> compose)
    {
        const int Piece = 1 << 14;
        long at = 0;
        var json = new JsonBytes(Piece, bytes =>
        {
            RandomAccess.Write(file, bytes, at);
            at += bytes.Length;
        });
        compose(json);
        json.Flush();
    }

    /// <summary>Bytes as they are.</summary>
    public JsonBytes Append(ReadOnlySpan<byte> utf8)
    {
        utf8.CopyTo(Room(utf8.Length));
        return Wrote(utf8.Length);
    }

    /// <summary>A number.</summary>
    public JsonBytes Append(long number)
    {
        number.TryFormat(Room(20), out var written, provider: CultureInfo.InvariantCulture);
        return Wrote(written);
    }

    /// <summary>A string in quotes.</summary>
    /// <remarks>Own escaping, as little as JSON asks for: the bytes must not depend on what a serializer's next version prefers to escape.</remarks>
    /// <exception cref="EncoderFallbackException">It is not valid Unicode.</exception>
    public JsonBytes AppendQuoted(string text)
    {
        Append("\""u8);
        var escaped = Escaped(text);
        Wrote(StrictUtf8.GetBytes(escaped, Room(StrictUtf8.GetByteCount(escaped))));
        return Append("\""u8);
    }

    /// <summary>The same byte several times.</summary>
    public JsonBytes Fill(byte value, int count)
    {
        Room(count)[..count].Fill(value);
        return Wrote(count);
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
        if (_bytes.Length - _used < count)
            Flush();
        if (_bytes.Length - _used < count)
            Array.Resize(ref _bytes, checked((int)Math.Min(Array.MaxLength, Math.Max(2L * _bytes.Length, (long)_used + count))));
        return _bytes.AsSpan(_used);
    }

    private JsonBytes Wrote(int count)
    {
        _used += count;
        Length += count;
        return this;
    }

    private void Flush()
    {
        if (sink is null)
            return;
        sink(_bytes.AsSpan(0, _used));
        _used = 0;
    }
}
