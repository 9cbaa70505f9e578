using System.Text;

namespace FineMixing.Checkpoints.Pickle;

/// <summary>Text of a stranger's file, made safe for messages.</summary>
internal static class PickleText
{
    private const int Longest = 120;

    /// <summary>The text in quotes, shortened, with control characters (which could steer a terminal) shown as codes.</summary>
    public static string Quote(string text)
    {
        var builder = new StringBuilder("'");
        foreach (var c in text.AsSpan(0, Math.Min(text.Length, Longest)))
        {
            if (char.IsControl(c) || char.IsSurrogate(c) || char.GetUnicodeCategory(c) == System.Globalization.UnicodeCategory.Format)
                builder.Append(System.Globalization.CultureInfo.InvariantCulture, $"\\u{(int)c:x4}");
            else
                builder.Append(c);
        }

        return builder.Append(text.Length > Longest ? "…'" : "'").ToString();
    }
}
