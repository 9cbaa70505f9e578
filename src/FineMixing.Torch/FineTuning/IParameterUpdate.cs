using static TorchSharp.torch;

namespace FineMixing.Torch.FineTuning;

/// <summary>The word embeddings a batch uses.</summary>
/// <param name="Ids">Token ids of the rows.</param>
/// <param name="Leaf">The rows, single precision [rows, hidden]; collects their gradient.</param>
/// <param name="RowOf">Maps a token id to its row.</param>
internal sealed record WordRows(int[] Ids, Tensor Leaf, Func<int, long> RowOf);

/// <summary>How weights follow their gradients.</summary>
internal interface IParameterUpdate : IDisposable
{
    /// <summary>The word embeddings of a batch, up to date. The leaf belongs to the current dispose scope.</summary>
    WordRows Gather(IReadOnlyList<ModelInput> inputs);

    /// <summary>Takes one step and drops the gradients.</summary>
    /// <returns>The global 2-norm of the gradients before clipping, one number on the device; when it is not finite, the weights are of no use any more.</returns>
    Tensor Step(WordRows words, double learningRate, double weightDecay, double clip);

    /// <summary>Describes moments and counters, so that a later run can go on from them.</summary>
    void Transfer(IStateTransfer transfer);

    /// <summary>Brings every weight up to date after the last step.</summary>
    void Finish();
}
