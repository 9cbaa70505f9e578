using FineMixing.Tests;

namespace FineMixing.Torch.Tests.Docs;

public class ReadmeTests
{
    [Fact]
    public void CodeBlock_OfReadme_IsTheCompiledCode() => DocumentedPage.AssertIsCompiled("README.md", "tests/FineMixing.Torch.Tests/Docs/DocumentedCode.cs");
}
