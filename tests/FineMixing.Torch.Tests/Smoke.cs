namespace FineMixing.Torch.Tests;
public class Smoke { [Fact] public void Loads() { Assert.Equal(3f, (TorchSharp.torch.ones(1) + 2).item<float>()); } }
