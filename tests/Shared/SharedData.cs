namespace FineMixing.Tests;

/// <summary>Finds the folder of reference data (FINEMIXING_SHARED, or <c>shared</c> beside the checkout); tests that need it skip elsewhere.</summary>
internal static class SharedData
{
    public static string? Root { get; } = Find();

    /// <summary>The path of a file or folder of the reference data; skips the running test, with the reason, where it is absent.</summary>
    public static string Path(params string[] parts)
    {
        Assert.SkipWhen(Root is null, "The reference data is not here: set FINEMIXING_SHARED to its folder, or put it beside the checkout as ../shared.");
        var path = System.IO.Path.Combine([Root!, .. parts]);
        if (!File.Exists(path) && !Directory.Exists(path))
            throw new FileNotFoundException($"The reference data at '{Root}' has no '{string.Join('/', parts)}'.", path);
        return path;
    }

    private static string? Find()
    {
        if (Environment.GetEnvironmentVariable("FINEMIXING_SHARED") is { Length: > 0 } given)
            return Directory.Exists(given) ? given : throw new DirectoryNotFoundException($"FINEMIXING_SHARED names '{given}', which is not a folder.");
        for (var folder = new DirectoryInfo(AppContext.BaseDirectory); folder is not null; folder = folder.Parent)
        {
            if (File.Exists(System.IO.Path.Combine(folder.FullName, "FineMixing.sln")))
            {
                var beside = System.IO.Path.Combine(folder.Parent?.FullName ?? folder.FullName, "shared");
                return Directory.Exists(beside) ? beside : null;
            }
        }

        return null;
    }
}
