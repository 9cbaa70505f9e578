using FineMixing.Torch.FineTuning;
using TorchSharp;
using static TorchSharp.torch;

namespace FineMixing.Torch.Models;

/// <summary>
/// Forward and backward pass that keep only each layer's input: backward runs a layer once more before it needs what is inside
/// (Chen et al. 2016, arXiv 1604.06174). A third more work; memory for the activations of one layer instead of all.
/// </summary>
/// <remarks>Gradients equal those of <see cref="FastBert.Logits"/>: dropout is decided by a state that is put back before a layer runs again.</remarks>
internal static class CheckpointedPass
{
    /// <summary>Adds the gradients of a loss to the leaves; returns the loss.</summary>
    /// <param name="p">The weights.</param>
    /// <param name="batch">The input.</param>
    /// <param name="wordRows">Rows that <see cref="DeviceBatch.WordIndex"/> points into.</param>
    /// <param name="dropout">Training noise, or null.</param>
    /// <param name="lossOf">Makes the loss from the logits.</param>
    public static Tensor Backward(ParameterStore p, DeviceBatch batch, Tensor wordRows, DropoutSource? dropout, Func<Tensor, Tensor> lossOf)
    {
        var embedded = FastBert.Embed(p, batch, wordRows, dropout);
        var recomputed = p.Layers.Length - 1;
        var (inputs, noise) = (new Tensor[recomputed + 1], new ulong[recomputed]);
        inputs[0] = embedded.detach();
        for (var i = 0; i < recomputed; i++)
        {
            noise[i] = dropout?.State ?? 0;
            using var scope = NewDisposeScope();
            using var noGradients = no_grad();
            inputs[i + 1] = FastBert.Layer(p.Config, p.Layers[i], inputs[i], batch.Bias, dropout).MoveToOuterDisposeScope();
        }

        var last = inputs[recomputed].requires_grad_(true);
        var loss = lossOf(FastBert.Classify(p, FastBert.Layer(p.Config, p.Layers[recomputed], last, batch.Bias, dropout), dropout));
        loss.backward();
        var gradient = last.grad!;
        for (var i = recomputed - 1; i >= 0; i--)
        {
            using var scope = NewDisposeScope();
            if (dropout is not null)
                dropout.State = noise[i];
            var input = inputs[i].requires_grad_(true);
            FastBert.Layer(p.Config, p.Layers[i], input, batch.Bias, dropout).backward([gradient]);
            gradient.Dispose();
            gradient = input.grad!.MoveToOuterDisposeScope();
            inputs[i + 1].Dispose();
        }

        embedded.backward([gradient]);
        return loss.detach();
    }
}
