using FineMixing.Purification;

namespace FineMixing.Cli.CommandLine;

/// <summary>The table of word-piece frequencies a command was asked to use.</summary>
internal static class TokenTable
{
    /// <summary>Reads the user's table, or takes the one of the library.</summary>
    public static TokenFrequencies Read(string? file) => file is null ? TokenFrequencies.Default : TokenFrequencies.FromJsonFile(file);
}
