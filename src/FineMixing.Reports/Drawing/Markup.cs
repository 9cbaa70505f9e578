using System.Globalization;
using System.Text;

namespace FineMixing.Reports.Drawing;

/// <summary>Text and numbers as SVG and HTML need them. Token and tensor names come from untrusted files: everything printed passes through here.</summary>
internal static class Markup
{
    /// <summary>Escapes markup, and replaces what XML forbids or what would reorder the surrounding text by U+FFFD.</summary>
    public static string Escape(string text)
    {
        var result = new StringBuilder(text.Length + 16);
        foreach (var rune in text.EnumerateRunes())
        {
            switch (rune.Value)
            {
                case '&': result.Append("&amp;"); break;
                case '<': result.Append("&lt;"); break;
                case '>': result.Append("&gt;"); break;
                case '"': result.Append("&quot;"); break;
                case '\'': result.Append("&#39;"); break;
                case '\t' or '\n' or '\r': result.Append(' '); break;
                case < 0x20 or (>= 0x7F and < 0xA0) or 0xFFFE or 0xFFFF: result.Append('\uFFFD'); break;
                case 0x061C or 0x200E or 0x200F or (>= 0x202A and <= 0x202E) or (>= 0x2066 and <= 0x2069): result.Append('\uFFFD'); break;
                default: result.Append(rune.ToString()); break;
            }
        }

        return result.ToString();
    }

    /// <summary>A coordinate with at most two decimals.</summary>
    public static string Number(double value) => (Math.Round(value, 2) + 0.0).ToString("0.##", CultureInfo.InvariantCulture);

    /// <summary>A share of 0..1 as percent with one decimal.</summary>
    public static string Percent(double share) => (share * 100).ToString("0.0", CultureInfo.InvariantCulture);

    /// <summary>A number for reading, with about three significant digits.</summary>
    public static string Short(double value)
    {
        var magnitude = Math.Abs(value);
        var format = magnitude switch
        {
            0 => "0",
            >= 1e6 or < 1e-4 => "0.##e0",
            >= 100 => "0",
            >= 10 => "0.#",
            >= 1 => "0.##",
            >= 0.1 => "0.###",
            _ => "0.#####",
        };
        return value.ToString(format, CultureInfo.InvariantCulture);
    }

    /// <summary>An estimate, on the wide side, of a text's width: no font is measured, so that a report looks the same wherever it is made.</summary>
    public static double Width(string text, double size, bool bold = false)
    {
        double em = 0;
        foreach (var rune in text.EnumerateRunes())
        {
            em += rune.Value switch
            {
                'i' or 'j' or 'l' or '.' or ',' or ':' or ';' or '\'' or '|' or '!' => 0.32,
                'f' or 't' or 'r' or ' ' or '(' or ')' or '[' or ']' or '-' => 0.40,
                'm' or 'w' or 'M' or 'W' or '%' or '@' or '#' => 0.92,
                >= 'A' and <= 'Z' => 0.70,
                < 0x2E80 => 0.61,
                _ => 1.05,
            };
        }

        return em * size * (bold ? 1.1 : 1);
    }

    /// <summary>The text, cut with an ellipsis where it is wider than allowed.</summary>
    public static string Fit(string text, double size, double width)
    {
        if (Width(text, size) <= width)
            return text;
        var kept = new StringBuilder();
        foreach (var rune in text.EnumerateRunes())
        {
            if (Width(kept.ToString() + rune + "…", size) > width)
                break;
            kept.Append(rune.ToString());
        }

        return kept.Append('…').ToString();
    }
}
