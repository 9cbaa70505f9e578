using System.Text.RegularExpressions;

namespace FineMixing.Tests.Docs;

public partial class DocumentationTests
{
    internal static readonly string Root = DocumentedPage.Root;

    [Theory]
    [InlineData("docs/reports.md")]
    [InlineData("docs/data.md")]
    [InlineData("docs/checkpoints.md")]
    public void CodeBlock_OfAPage_IsTheCompiledCode(string page) => DocumentedPage.AssertIsCompiled(page, "tests/FineMixing.Core.Tests/Docs/DocumentedCode.cs");

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

    [GeneratedRegex(@"\]\((?!https?:)([^)#]+)[^)]*\)")]
    private static partial Regex Link();
}
