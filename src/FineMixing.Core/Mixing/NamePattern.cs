using System.Globalization;
using System.Text;
using System.Text.RegularExpressions;

namespace FineMixing.Mixing;

/// <summary>A pattern for tensor names and the ratio of those that fit: <c>*</c> stands for any characters, <c>?</c> for one, <c>[3-5,8]</c> for whole numbers; it may begin at any part of the name.</summary>
internal sealed class NamePattern
{
    private readonly Regex _regex;

    private NamePattern(string text, Regex regex, double ratio)
    {
        (Text, Ratio) = (text, ratio);
        _regex = regex;
    }

    public string Text { get; }

    public double Ratio { get; }

    /// <summary>Null when a bracket is not a list of whole numbers.</summary>
    public static NamePattern? Parse(string text, double ratio) => ToRegex(text) is { } regex ? new NamePattern(text, regex, ratio) : null;

    public bool Fits(string name) => _regex.IsMatch(name);

    private static Regex? ToRegex(string pattern)
    {
        var regex = new StringBuilder(@"^(?:.*\.)?");
        for (var i = 0; i < pattern.Length; i++)
        {
            switch (pattern[i])
            {
                case '*':
                    regex.Append(".*");
                    break;
                case '?':
                    regex.Append('.');
                    break;
                case '[':
                    var end = pattern.IndexOf(']', i);
                    if (end < 0 || Numbers(pattern[(i + 1)..end]) is not { } numbers)
                        return null;
                    regex.Append(CultureInfo.InvariantCulture, $"(?<!\\d)(?:{string.Join('|', numbers)})(?!\\d)");
                    i = end;
                    break;
                default:
                    regex.Append(Regex.Escape(pattern[i].ToString()));
                    break;
            }
        }

        return new Regex(regex.Append('$').ToString(), RegexOptions.CultureInvariant);
    }

    private static List<int>? Numbers(string list)
    {
        var result = new List<int>();
        foreach (var part in list.Split(','))
        {
            var ends = part.Split('-');
            if (ends.Length > 2 || !int.TryParse(ends[0], NumberStyles.None, CultureInfo.InvariantCulture, out var first))
                return null;
            var last = first;
            if (ends.Length == 2 && !int.TryParse(ends[1], NumberStyles.None, CultureInfo.InvariantCulture, out last))
                return null;
            if (last < first || last > 9999)
                return null;
            result.AddRange(Enumerable.Range(first, last - first + 1));
        }

        return result;
    }
}
