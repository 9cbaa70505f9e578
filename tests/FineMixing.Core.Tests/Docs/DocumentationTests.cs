using System.Text.RegularExpressions;

namespace FineMixing.Tests.Docs;

public partial class DocumentationTests
{
    internal static readonly string Root = FindRoot();

    [Theory]
    [InlineData("README.md")]
    [InlineData("docs/reports.md")]
    [InlineData("docs/data.md")]
    [InlineData("docs/checkpoints.md")]
    public void CodeBlock_OfAPage_IsTheCompiledCode(string page)
    {
        var source = File.ReadAllText(Path.Combine(Root, "tests/FineMixing.Core.Tests/Docs/DocumentedCode.cs"));
        var compiled = Regex.Match(source, $@"#region {Regex.Escape(page)}\n(.*?)\n *#endregion", RegexOptions.Singleline).Groups[1].Value;

        var printed = CodeBlock().Match(File.ReadAllText(Path.Combine(Root, page))).Groups[1].Value;

        Assert.Equal(WithoutIndent(compiled), WithoutUsings(printed));
    }

    [Fact]
    public void Links_BetweenPages_LeadToFiles()
    {
        foreach (var page in Directory.GetFiles(Path.Combine(Root, "docs"), "*.md", SearchOption.AllDirectories).Append(Path.Combine(Root, "README.md")))
        {
            foreach (Match link in Link().Matches(File.ReadAllText(page)))
            {
                var target = Path.Combine(Path.GetDirectoryName(page)!, link.Groups[1].Value);
                Assert.True(File.Exists(target) || Directory.Exists(target), $"{Path.GetRelativePath(Root, page)} links to {link.Groups[1].Value}, which does not exist.");
            }
        }
    }

    /// <summary>A file of the repository.</summary>
    internal static string PathOf(string file) => Path.Combine(Root, file);

    private static string WithoutIndent(string code) => string.Join('\n', code.Split('\n').Select(l => l.StartsWith("        ", StringComparison.Ordinal) ? l[8..] : l));

    private static string WithoutUsings(string code) => string.Join('\n', code.Split('\n').SkipWhile(l => l.Length == 0 || l.StartsWith("using ", StringComparison.Ordinal) && l.EndsWith(';') && !l.Contains('=', StringComparison.Ordinal)));

    private static string FindRoot()
    {
        for (var folder = new DirectoryInfo(AppContext.BaseDirectory); folder is not null; folder = folder.Parent)
        {
            if (File.Exists(Path.Combine(folder.FullName, "FineMixing.sln")))
                return folder.FullName;
        }

        throw new DirectoryNotFoundException($"No solution above '{AppContext.BaseDirectory}'.");
    }

    [GeneratedRegex("```csharp\n(.*?)\n```", RegexOptions.Singleline)]
    private static partial Regex CodeBlock();

    [GeneratedRegex(@"\]\((?!https?:)([^)#]+)[^)]*\)")]
    private static partial Regex Link();
}
