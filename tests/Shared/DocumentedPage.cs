using System.Text.RegularExpressions;

namespace FineMixing.Tests;

/// <summary>Compares the code that a page of the documentation prints with code that a test project compiles.</summary>
internal static partial class DocumentedPage
{
    /// <summary>The folder of the solution.</summary>
    public static string Root { get; } = FindRoot();

    /// <summary>Asserts that the page's first C# block, without its using lines, is the source's region of the page's name.</summary>
    public static void AssertIsCompiled(string page, string source)
    {
        var compiled = Regex.Match(File.ReadAllText(Path.Combine(Root, source)), $@"#region {Regex.Escape(page)}\n(.*?)\n *#endregion", RegexOptions.Singleline).Groups[1].Value;
        var printed = CodeBlock().Match(File.ReadAllText(Path.Combine(Root, page))).Groups[1].Value;

        Assert.NotEmpty(compiled);
        Assert.Equal(WithoutIndent(compiled), WithoutUsings(printed));
    }

    private static string WithoutIndent(string code) => string.Join('\n', code.Split('\n').Select(l => l.StartsWith("        ", StringComparison.Ordinal) ? l[8..] : l));

    private static string WithoutUsings(string code) =>
        string.Join('\n', code.Split('\n').SkipWhile(l => l.Length == 0 || (l.StartsWith("using ", StringComparison.Ordinal) && !l.Contains('=', StringComparison.Ordinal))));

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
}
