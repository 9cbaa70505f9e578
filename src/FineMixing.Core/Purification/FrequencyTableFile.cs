using System.Globalization;

namespace FineMixing.Purification;

/// <summary>The text form of a frequency table: header lines that start with a space, then one <c>token count</c> a line, highest count first.</summary>
internal static class FrequencyTableFile
{
    public static IEnumerable<KeyValuePair<string, long>> Read(TextReader reader)
    {
        while (reader.ReadLine() is { } line)
        {
            // No token starts with a space, many start with '#'.
            if (line.StartsWith(' '))
                continue;
            var space = line.LastIndexOf(' ');
            yield return new(line[..space], long.Parse(line.AsSpan(space + 1), NumberStyles.None, CultureInfo.InvariantCulture));
        }
    }

    public static void Write(TextWriter writer, IEnumerable<string> header, IEnumerable<KeyValuePair<string, long>> counts)
    {
        writer.NewLine = "\n";
        foreach (var line in header)
            writer.WriteLine(" " + line);
        foreach (var (token, count) in counts.OrderByDescending(pair => pair.Value).ThenBy(pair => pair.Key, StringComparer.Ordinal))
            writer.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{token} {count}"));
    }
}
