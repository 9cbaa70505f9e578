using System.Collections.Immutable;
using System.Text;

namespace FineMixing.Reports;

/// <summary>A file beside the page.</summary>
/// <param name="Name">The file's name.</param>
/// <param name="Content">Its text.</param>
public sealed record ReportFile(string Name, string Content);

/// <summary>A page that needs nothing but itself, and its charts as files of their own.</summary>
/// <param name="Html">The page.</param>
/// <param name="Charts">The charts as SVG.</param>
public sealed record Report(string Html, ImmutableArray<ReportFile> Charts)
{
    /// <summary>The name of the page's file.</summary>
    public const string PageName = "report.html";

    /// <summary>Writes <c>report.html</c> and the charts into a folder, which is created if it is missing. Each file appears complete or not at all, the page last.</summary>
    /// <param name="folder">The folder.</param>
    /// <param name="overwrite">Replace files of an earlier report.</param>
    /// <exception cref="IOException">A file exists already and <paramref name="overwrite"/> is false (nothing is written), or writing failed.</exception>
    public void Save(string folder, bool overwrite = false)
    {
        ArgumentException.ThrowIfNullOrEmpty(folder);
        ReportFile[] files = [.. Charts, new ReportFile(PageName, Html)];
        var taken = files.Where(f => File.Exists(Path.Combine(folder, f.Name))).Select(f => f.Name).ToArray();
        if (taken.Length > 0 && !overwrite)
            throw new IOException($"The folder '{folder}' already has {string.Join(", ", taken)}; choose another folder for the report.");
        Directory.CreateDirectory(folder);
        foreach (var file in files)
        {
            var path = Path.Combine(folder, file.Name);
            var temporary = path + ".tmp";
            try
            {
                File.WriteAllText(temporary, file.Content, new UTF8Encoding(false));
                File.Move(temporary, path, overwrite);
            }
            finally
            {
                File.Delete(temporary);
            }
        }
    }
}
