using System.Buffers;
using System.Globalization;
using System.Text;

namespace FineMixing.Tokenization;

/// <summary>What a BERT tokenizer does to text before looking for word pieces: clean, split Chinese characters, strip accents, lower case.</summary>
/// <remarks>
/// Unicode normalization of the .NET runtime needs the ICU library and silently does nothing without it
/// (<c>InvariantGlobalization</c>), so accents are stripped with a table of this assembly: the same ids on every machine.
/// </remarks>
internal sealed class BertTextNormalizer(bool lowerCase, bool stripAccents, bool splitChineseCharacters)
{
    private static readonly Dictionary<int, string> Decompositions = LoadDecompositions();

    private static readonly SearchValues<char> PlainAscii = SearchValues.Create(
        " !\"#$%&'()*+,-./0123456789:;<=>?@[\\]^_`abcdefghijklmnopqrstuvwxyz{|}~ABCDEFGHIJKLMNOPQRSTUVWXYZ");

    /// <summary>Splits a text into the words in which word pieces are looked for: at white space and around each punctuation mark.</summary>
    public void Split(ReadOnlySpan<char> text, List<string> words)
    {
        var normalized = Normalize(text);
        var start = -1;
        var i = 0;
        while (i < normalized.Length)
        {
            Rune.DecodeFromUtf16(normalized.AsSpan(i), out var rune, out var length);
            var isSpace = IsWhiteSpace(rune);
            if (isSpace || IsPunctuation(rune))
            {
                if (start >= 0)
                    words.Add(normalized[start..i]);
                if (!isSpace)
                    words.Add(normalized.Substring(i, length));
                start = -1;
            }
            else if (start < 0)
            {
                start = i;
            }

            i += length;
        }

        if (start >= 0)
            words.Add(normalized[start..]);
    }

    /// <summary>The text as the vocabulary spells it.</summary>
    public string Normalize(ReadOnlySpan<char> text)
    {
        if (!text.ContainsAnyExcept(PlainAscii))
            return lowerCase ? text.ToString().ToLowerInvariant() : text.ToString();
        var result = new StringBuilder(text.Length + 16);
        foreach (var rune in text.EnumerateRunes())
        {
            if (rune.Value is 0 or 0xFFFD || IsControl(rune))
                continue;
            if (IsWhiteSpace(rune))
                result.Append(' ');
            else if (splitChineseCharacters && IsChinese(rune.Value))
                AppendPlain(result.Append(' '), rune).Append(' ');
            else
                AppendPlain(result, rune);
        }

        return result.ToString();
    }

    private StringBuilder AppendPlain(StringBuilder result, Rune rune)
    {
        if (!stripAccents || rune.IsAscii)
            return AppendCased(result, rune);
        if (rune.Value is >= 0xAC00 and <= 0xD7A3)
        {
            // A Hangul syllable is a leading consonant, a vowel and perhaps a trailing consonant (Unicode, section 3.12).
            var index = rune.Value - 0xAC00;
            result.Append((char)(0x1100 + index / (21 * 28))).Append((char)(0x1161 + index / 28 % 21));
            return index % 28 == 0 ? result : result.Append((char)(0x11A7 + index % 28));
        }

        if (!Decompositions.TryGetValue(rune.Value, out var decomposed))
            return Rune.GetUnicodeCategory(rune) == UnicodeCategory.NonSpacingMark ? result : AppendCased(result, rune);
        foreach (var part in decomposed.EnumerateRunes())
        {
            if (Rune.GetUnicodeCategory(part) != UnicodeCategory.NonSpacingMark)
                AppendCased(result, part);
        }

        return result;
    }

    private StringBuilder AppendCased(StringBuilder result, Rune rune)
    {
        // The one letter whose lower case is two code points.
        if (lowerCase && rune.Value == 0x130)
            return result.Append("i\u0307");
        Span<char> buffer = stackalloc char[2];
        return result.Append(buffer[..(lowerCase ? Rune.ToLowerInvariant(rune) : rune).EncodeToUtf16(buffer)]);
    }

    // Unassigned code points are kept, as in the reference.
    private static bool IsControl(Rune rune) => rune.Value is not ('\t' or '\n' or '\r')
        && Rune.GetUnicodeCategory(rune) is UnicodeCategory.Control or UnicodeCategory.Format or UnicodeCategory.PrivateUse;

    private static bool IsWhiteSpace(Rune rune) => Rune.IsWhiteSpace(rune);

    private static bool IsPunctuation(Rune rune) => rune.IsAscii
        ? rune.Value is (>= 33 and <= 47) or (>= 58 and <= 64) or (>= 91 and <= 96) or (>= 123 and <= 126)
        : Rune.IsPunctuation(rune);

    private static bool IsChinese(int codePoint) => codePoint
        is (>= 0x4E00 and <= 0x9FFF) or (>= 0x3400 and <= 0x4DBF) or (>= 0x20000 and <= 0x2A6DF) or (>= 0x2A700 and <= 0x2B73F)
        or (>= 0x2B740 and <= 0x2B81F) or (>= 0x2B920 and <= 0x2CEAF) or (>= 0xF900 and <= 0xFAFF) or (>= 0x2F800 and <= 0x2FA1F);

    private static Dictionary<int, string> LoadDecompositions()
    {
        using var stream = typeof(BertTextNormalizer).Assembly.GetManifestResourceStream("FineMixing.Tokenization.CanonicalDecompositions.txt")!;
        using var reader = new StreamReader(stream);
        var table = new Dictionary<int, string>();
        while (reader.ReadLine() is { } line)
        {
            if (line.StartsWith('#'))
                continue;
            var points = line.Split(' ').Select(part => int.Parse(part, NumberStyles.HexNumber, CultureInfo.InvariantCulture)).ToArray();
            table.Add(points[0], string.Concat(points.Skip(1).Select(char.ConvertFromUtf32)));
        }

        return table;
    }
}
