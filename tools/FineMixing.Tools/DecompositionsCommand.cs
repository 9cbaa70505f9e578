using System.CommandLine;
using System.Globalization;
using System.Text;

namespace FineMixing.Tools;

/// <summary>Writes the table of canonical decompositions that strips accents without the ICU library.</summary>
internal static class DecompositionsCommand
{
    private const string Header = """
        # Canonical decompositions (NFD) of single code points, Hangul syllables left out (they are computed).
        # Derived from the Unicode Character Database 15.0, (c) Unicode, Inc., Unicode License V3 (see NOTICE).
        # Each line: code point, then its decomposition, in hexadecimal.

        """;

    public static Command Create()
    {
        var output = new Option<FileInfo>("--output") { Description = "The file to write.", Required = true };
        var command = new Command("decompositions", "Writes src/FineMixing.Core/Tokenization/CanonicalDecompositions.txt; needs a runtime with ICU 72 (Unicode 15.0).") { output };
        command.SetAction(parsed => File.WriteAllText(parsed.GetRequiredValue(output).FullName, Table(), new UTF8Encoding(false)));
        return command;
    }

    private static string Table()
    {
        if ("é".Normalize(NormalizationForm.FormD).Length != 2)
            throw new InvalidOperationException("This runtime does not normalize Unicode: install ICU.");
        var table = new StringBuilder(Header.ReplaceLineEndings("\n"));
        for (var codePoint = 0x80; codePoint <= 0x10FFFF; codePoint++)
        {
            if (!Rune.IsValid(codePoint) || IsNoncharacter(codePoint) || codePoint is >= 0xAC00 and <= 0xD7A3)
                continue;
            var text = new Rune(codePoint).ToString();
            var decomposed = text.Normalize(NormalizationForm.FormD);
            if (decomposed == text)
                continue;
            table.Append(codePoint.ToString("X", CultureInfo.InvariantCulture));
            foreach (var rune in decomposed.EnumerateRunes())
                table.Append(' ').Append(rune.Value.ToString("X", CultureInfo.InvariantCulture));
            table.Append('\n');
        }

        return table.ToString();
    }

    private static bool IsNoncharacter(int codePoint) => (codePoint & 0xFFFE) == 0xFFFE || codePoint is >= 0xFDD0 and <= 0xFDEF;
}
