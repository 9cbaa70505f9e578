namespace FineMixing.Torch.Tests.Cli;

public class ExitCodeTests
{
    [Theory]
    [InlineData("Required command", "")]
    [InlineData("'frobnicate'", "frobnicate")]
    [InlineData("'DIR'", "inspect")]
    [InlineData("--base", "compare --suspect a")]
    [InlineData("'--nonsense'", "inspect a --nonsense")]
    public void Run_WrongUsage_ExitsWithTwoAndNamesTheOption(string expected, string arguments)
    {
        var result = Finemix.Run(arguments.Split(' ', StringSplitOptions.RemoveEmptyEntries));

        Assert.Equal(2, result.ExitCode);
        Assert.Contains(expected, result.Error, StringComparison.Ordinal);
        Assert.Empty(result.Output);
    }

    [Fact]
    public void Run_Failure_ExitsWithOneAndOneLine()
    {
        var result = Finemix.Run("inspect", "no-such-model");

        Assert.Equal(1, result.ExitCode);
        Assert.Contains("no-such-model", Assert.Single(result.ErrorLines), StringComparison.Ordinal);
        Assert.Empty(result.Output);
    }

    [Fact]
    public void Run_FailureVerbose_ShowsWhere()
    {
        var result = Finemix.Run("inspect", "no-such-model", "--verbose");

        Assert.Equal(1, result.ExitCode);
        Assert.Contains("   at FineMixing.", result.Error, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("inspect")]
    [InlineData("compare")]
    [InlineData("ancestor")]
    [InlineData("verify")]
    [InlineData("scan")]
    public void Run_Help_ShowsOptionsAndExamples(string command)
    {
        var result = Finemix.Run(command, "--help");

        Assert.Equal(0, result.ExitCode);
        Assert.Contains("--json", result.Output, StringComparison.Ordinal);
        Assert.Contains($"Examples:\n  finemix {command}", result.Output, StringComparison.Ordinal);
        Assert.Empty(result.Error);
    }
}
