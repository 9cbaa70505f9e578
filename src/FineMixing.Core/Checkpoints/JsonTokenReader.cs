using System.Text;
using System.Text.Json;
using System.Text.Unicode;

namespace FineMixing.Checkpoints;

/// <summary>Reads the JSON of a stranger token by token from a stream, in bounded memory, turning every fault into a <see cref="CheckpointFormatException"/>.</summary>
internal sealed class JsonTokenReader
{
    private const int InitialBufferBytes = 1 << 14;

    private readonly Stream _stream;
    private readonly string? _file;
    private readonly string _what;
    private byte[] _buffer;
    private long _unread;
    private long _bufferOffset;
    private int _position;
    private int _end;
    private int _checked;
    private JsonReaderState _state;
    private string _lastValue = "";

    /// <param name="stream">Read from its current position.</param>
    /// <param name="length">How many bytes of the stream are JSON.</param>
    /// <param name="fileOffset">Where the JSON begins in the file, for messages.</param>
    /// <param name="what">What the JSON is, for messages: "header" or "index".</param>
    /// <param name="file">The file, for messages.</param>
    /// <param name="maxDepth">The deepest nesting.</param>
    public JsonTokenReader(Stream stream, long length, long fileOffset, string what, string? file, int maxDepth)
    {
        _stream = stream;
        _unread = length;
        _bufferOffset = fileOffset;
        _what = what;
        _file = file;
        _buffer = new byte[(int)Math.Min(Math.Max(length, 16), InitialBufferBytes)];
        _state = new JsonReaderState(new JsonReaderOptions { MaxDepth = maxDepth });
    }

    /// <summary>The longest token that is accepted, in bytes as written.</summary>
    public int MaxTokenBytes { get; set; } = Safetensors.SafetensorsLimits.NameBytes;

    /// <summary>Strings that are at hand already: asked for each property name that would be a new string otherwise.</summary>
    public Func<ReadOnlySpan<char>, string?>? KnownNames { get; init; }

    /// <summary>The kind of the current token.</summary>
    public JsonTokenType TokenType { get; private set; }

    /// <summary>The text of a property name or string.</summary>
    public string Text { get; private set; } = "";

    /// <summary>The value of an unsigned integer up to 2^48 - 1; -1 for any other number.</summary>
    public long Number { get; private set; }

    /// <summary>Where the current token begins in the file.</summary>
    public long TokenOffset { get; private set; }

    /// <summary>The current token's length in bytes as written, without quotes.</summary>
    public int TokenBytes { get; private set; }

    /// <summary>Moves to the next token; false at the end of the JSON.</summary>
    public bool Read()
    {
        while (true)
        {
            var final = _unread == 0;
            var reader = new Utf8JsonReader(_buffer.AsSpan(_position, _end - _position), final, _state);
            bool found;
            try
            {
                found = reader.Read();
            }
            catch (JsonException e)
            {
                throw Fault($"the {_what} is not valid JSON: {e.Message}", _bufferOffset + _position + reader.BytesConsumed, e);
            }

            if (found)
                Capture(ref reader);
            _position += (int)reader.BytesConsumed;
            _state = reader.CurrentState;
            if (found)
                return true;
            if (final)
                return false;
            Fill();
        }
    }

    /// <summary>Moves to the next token, which must be of the given kind.</summary>
    public void Expect(JsonTokenType type, string expected, string? tensor = null)
    {
        if (!Read() || TokenType != type)
            throw Fault($"the {_what} has {Describe(TokenType)} where {expected} is expected", tensor: tensor);
    }

    /// <summary>Moves past the value that follows.</summary>
    public void SkipValue()
    {
        var depth = 0;
        do
        {
            Read();
            if (TokenType is JsonTokenType.StartObject or JsonTokenType.StartArray)
                depth++;
            else if (TokenType is JsonTokenType.EndObject or JsonTokenType.EndArray)
                depth--;
        }
        while (depth > 0 || TokenType == JsonTokenType.PropertyName);
    }

    /// <summary>The exception for a fault at the current token.</summary>
    public CheckpointFormatException Fault(string reason, long? offset = null, Exception? inner = null, string? tensor = null)
        => new(reason, _file, offset ?? TokenOffset, tensor, inner);

    /// <summary>A token kind in words.</summary>
    public static string Describe(JsonTokenType type) => type switch
    {
        JsonTokenType.StartObject => "an object",
        JsonTokenType.StartArray => "an array",
        JsonTokenType.EndObject => "the end of an object",
        JsonTokenType.EndArray => "the end of an array",
        JsonTokenType.PropertyName => "a property name",
        JsonTokenType.String => "a string",
        JsonTokenType.Number => "a number",
        JsonTokenType.Null => "null",
        JsonTokenType.True or JsonTokenType.False => "a boolean",
        _ => "nothing",
    };

    private void Capture(ref Utf8JsonReader reader)
    {
        TokenType = reader.TokenType;
        TokenOffset = _bufferOffset + _position + reader.TokenStartIndex;
        TokenBytes = reader.ValueSpan.Length;
        Text = "";
        Number = -1;
        if (TokenBytes > MaxTokenBytes)
            throw Fault($"the {_what} has a token of {TokenBytes} bytes; at most {MaxTokenBytes} are accepted here");
        if (TokenType == JsonTokenType.Number)
            Number = ParseNumber(reader.ValueSpan);
        else if (TokenType is JsonTokenType.String or JsonTokenType.PropertyName)
            Text = ReadText(ref reader);
    }

    private string ReadText(ref Utf8JsonReader reader)
    {
        // These occur once per tensor: no new string for each.
        var raw = reader.ValueSpan;
        if (raw.SequenceEqual("dtype"u8))
            return "dtype";
        if (raw.SequenceEqual("shape"u8))
            return "shape";
        if (raw.SequenceEqual("data_offsets"u8))
            return "data_offsets";
        if (raw.SequenceEqual("F32"u8))
            return "F32";
        if (raw.SequenceEqual("BF16"u8))
            return "BF16";
        if (TokenType == JsonTokenType.PropertyName)
            return Known(ref reader) ?? NewText(ref reader);

        // An index names the same shard for many tensors one after the other.
        return !reader.ValueIsEscaped && Ascii.Equals(raw, _lastValue) ? _lastValue : _lastValue = NewText(ref reader);
    }

    private string? Known(ref Utf8JsonReader reader)
    {
        const int Longest = 256;
        if (KnownNames is null || reader.ValueIsEscaped || reader.ValueSpan.Length > Longest)
            return null;
        Span<char> text = stackalloc char[Longest];
        Utf8.ToUtf16(reader.ValueSpan, text, out _, out var length);
        return KnownNames(text[..length]);
    }

    private string NewText(ref Utf8JsonReader reader)
    {
        try
        {
            return reader.GetString()!;
        }
        catch (InvalidOperationException e)
        {
            // The bytes are valid UTF-8 by now, so this is an escaped lone surrogate.
            throw Fault($"the {_what} has a string that is not valid Unicode", inner: e);
        }
    }

    private static long ParseNumber(ReadOnlySpan<byte> digits)
    {
        if (digits.Length > 15)
            return -1;
        long value = 0;
        foreach (var digit in digits)
        {
            if (digit is < (byte)'0' or > (byte)'9')
                return -1;
            value = value * 10 + (digit - '0');
        }

        return value <= Safetensors.SafetensorsLimits.Number ? value : -1;
    }

    private void Fill()
    {
        DropConsumed();
        if (_end == _buffer.Length)
        {
            if (_buffer.Length >= MaxTokenBytes + InitialBufferBytes)
                throw Fault($"the {_what} has a token of more than {MaxTokenBytes} bytes", _bufferOffset);
            Array.Resize(ref _buffer, (int)Math.Min(_buffer.Length * 2L, (long)MaxTokenBytes + InitialBufferBytes));
        }

        var wanted = (int)Math.Min(_buffer.Length - _end, _unread);
        int count;
        try
        {
            count = _stream.ReadAtLeast(_buffer.AsSpan(_end, wanted), wanted, throwOnEndOfStream: false);
        }
        catch (IOException e)
        {
            throw Fault($"reading the {_what} failed: {e.Message}", _bufferOffset + _end, e);
        }

        if (count < wanted)
            throw Fault($"the file ends within its {_what}", _bufferOffset + _end + count);
        _end += count;
        _unread -= count;
        CheckUtf8();
    }

    private void DropConsumed()
    {
        // White space between tokens means nothing; without this a padded header would fill the buffer. A comma is unread until the token after it is complete.
        var next = SkipWhiteSpace(_position);
        if (next < _end && _buffer[next] == (byte)',')
        {
            next = SkipWhiteSpace(next + 1) - 1;
            _buffer[next] = (byte)',';
        }

        _position = next;
        _buffer.AsSpan(_position, _end - _position).CopyTo(_buffer);
        _bufferOffset += _position;
        _end -= _position;
        _checked = Math.Max(0, _checked - _position);
        _position = 0;
    }

    private int SkipWhiteSpace(int position)
    {
        while (position < _end && _buffer[position] is (byte)' ' or (byte)'\n' or (byte)'\r' or (byte)'\t')
            position++;
        return position;
    }

    private void CheckUtf8()
    {
        var end = _unread == 0 ? _end : EndOfWholeCharacters();
        if (end > _checked && !Utf8.IsValid(_buffer.AsSpan(_checked, end - _checked)))
            throw Fault($"the {_what} is not valid UTF-8", _bufferOffset + _checked);
        _checked = Math.Max(end, _checked);
    }

    private int EndOfWholeCharacters()
    {
        // A character has at most 4 bytes: look for a lead byte among the last three.
        for (var back = 1; back <= 3 && back <= _end; back++)
        {
            var value = _buffer[_end - back];
            if (value < 0x80)
                return _end;
            if (value >= 0xC0)
                return (value >= 0xF0 ? 4 : value >= 0xE0 ? 3 : 2) > back ? _end - back : _end;
        }

        return _end;
    }
}
